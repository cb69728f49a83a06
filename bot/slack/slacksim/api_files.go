package slacksim

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// upload is a file on its way: announced, then filled by a POST, then shared.
type upload struct {
	id, name string
	size     int
	data     []byte
}

func filesGetUploadURL(c *call) Object {
	w := c.w
	n, err := strconv.Atoi(c.str("length"))
	if c.str("filename") == "" || err != nil || n < 1 {
		return fail("missing_argument")
	}
	if n > maxUploadBytes {
		return fail("file_upload_size_restricted")
	}
	u := &upload{id: w.freshID("F"), name: c.str("filename"), size: n}
	w.uploads[u.id] = u
	w.uploadQ = append(w.uploadQ, u.id)
	if len(w.uploadQ) > maxUploads {
		delete(w.uploads, w.uploadQ[0])
		w.uploadQ = w.uploadQ[1:]
	}
	return Object{"ok": true, "upload_url": w.base + "/upload/" + u.id, "file_id": u.id}
}

func (w *Workspace) serveUpload(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxUploadBytes+4096))
	if err != nil {
		http.Error(rw, "file too large", http.StatusRequestEntityTooLarge)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.uploads[strings.TrimPrefix(r.URL.Path, "/upload/")]
	if u == nil {
		http.NotFound(rw, r)
		return
	}
	u.data = data
	_, _ = io.WriteString(rw, "OK - "+strconv.Itoa(len(data))) // the client is gone: nobody to tell
}

func filesCompleteUpload(c *call) Object {
	w := c.w
	raw, ok := c.value("files")
	list, isList := asList(raw)
	if !ok || !isList || len(list) == 0 {
		return fail("file_not_found")
	}
	var files []any
	var names []string
	for _, f := range objects(list) {
		id, _ := f["id"].(string)
		u := w.uploads[id]
		if u == nil || u.data == nil {
			return fail("file_not_found")
		}
		title, _ := f["title"].(string)
		files = append(files, Object{"id": u.id, "title": orString(title, u.name), "name": u.name, "size": len(u.data), "created": w.now().Unix()})
		names = append(names, orString(title, u.name))
	}
	if ref := c.str("channel_id"); ref != "" {
		ch, code := w.target(ref)
		if code != "" {
			return fail(code)
		}
		m := w.botMessage(ch, draft{text: strings.TrimSpace(c.str("initial_comment") + "\n:page_facing_up: " + strings.Join(names, ", "))})
		m.Subtype, m.ThreadTS = "file_share", c.str("thread_ts")
		ch.add(m)
		w.touch()
	}
	return Object{"ok": true, "files": files}
}
