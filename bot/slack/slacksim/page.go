package slacksim

import (
	"embed"
	"fmt"
	"hash/fnv"
	"html"
	"io/fs"
	"net/http"
	"strings"
	"unicode/utf8"
)

//go:embed page
var pageFiles embed.FS

// contentPolicy keeps the page to itself: no foreign scripts, styles or frames. Images may come from anywhere, since messages name them.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: http: https:; connect-src 'self'; " +
	"frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

func (w *Workspace) mountPage(mux *http.ServeMux) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is embedded above: it cannot be missing
	}
	static := http.StripPrefix("/assets/", http.FileServerFS(files))
	mux.HandleFunc("GET /assets/", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Cache-Control", "no-cache")
		rw.Header().Set("X-Content-Type-Options", "nosniff")
		static.ServeHTTP(rw, r)
	})
	mux.HandleFunc("GET /assets/avatar/{file}", w.serveAvatar)
	mux.HandleFunc("/", servePage)
}

func servePage(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || (r.URL.Path != "/" && !strings.HasPrefix(r.URL.Path, "/archives/")) {
		http.NotFound(rw, r)
		return
	}
	rw.Header().Set("Content-Security-Policy", contentPolicy)
	rw.Header().Set("Referrer-Policy", "no-referrer")
	rw.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(rw, r, pageFiles, "page/index.html")
}

// serveAvatar draws the initials of a user, which is what the image addresses in users.info lead to.
func (w *Workspace) serveAvatar(rw http.ResponseWriter, r *http.Request) {
	id := strings.TrimSuffix(r.PathValue("file"), ".svg")
	u, found := w.User(id)
	if !found {
		http.NotFound(rw, r)
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(u.ID)) // a hash never fails
	rw.Header().Set("Content-Type", "image/svg+xml")
	_, _ = fmt.Fprintf(rw, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 72"><rect width="72" height="72" rx="14" fill="hsl(%d 45%% 45%%)"/>`+
		`<text x="36" y="46" font-family="sans-serif" font-size="28" fill="#fff" text-anchor="middle">%s</text></svg>`,
		h.Sum32()%360, html.EscapeString(initials(u.RealName))) // the client is gone: nobody to tell
}

func initials(name string) string {
	var out strings.Builder
	for _, word := range strings.Fields(name) {
		if r, _ := utf8.DecodeRuneInString(word); out.Len() < 8 {
			out.WriteRune(r)
		}
	}
	s := []rune(out.String())
	return string(s[:min(2, len(s))])
}
