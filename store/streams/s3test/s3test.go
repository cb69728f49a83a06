// Package s3test is a store of the S3 shape in memory, for tests. It checks every signature by its own reading of AWS's description of
// Signature Version 4, not by the signer that made it.
package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Store is one bucket. It serves requests of any goroutine.
type Store struct {
	Bucket, Region, Key, Secret string

	mu      sync.Mutex
	objects map[string]object
	fail    func(*http.Request) int
}

type object struct {
	body []byte
	meta map[string]string
}

// New makes an empty bucket.
func New(bucket, region, key, secret string) *Store {
	return &Store{Bucket: bucket, Region: region, Key: key, Secret: secret, objects: map[string]object{}}
}

// SetFailure makes requests for which f gives a status fail with it; nil ends that.
func (s *Store) SetFailure(f func(*http.Request) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Names lists what is stored.
func (s *Store) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names("", "")
}

func (s *Store) names(prefix, after string) (out []string) {
	for n := range s.objects {
		if strings.HasPrefix(n, prefix) && n > after {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// Object gives the content of one, nil when there is none.
func (s *Store) Object(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[name].body
}

// Set stores an object past all checks, as its owner could.
func (s *Store) Set(name string, body []byte, meta map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[name] = object{body, meta}
}

// ServeHTTP implements http.Handler.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.check(r, body); err != nil {
		http.Error(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>"+err.Error()+"</Message></Error>", http.StatusForbidden)
		return
	}
	if s.fail != nil {
		if status := s.fail(r); status != 0 {
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", status)
			return
		}
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/"+s.Bucket+"/")
	switch {
	case !ok:
		http.Error(w, "<Error><Code>NoSuchBucket</Code></Error>", http.StatusNotFound)
	case r.Method == http.MethodPut:
		s.put(w, r, name, body)
	case name == "" && r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		s.list(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		s.get(w, r, name)
	default:
		http.Error(w, "<Error><Code>MethodNotAllowed</Code></Error>", http.StatusMethodNotAllowed)
	}
}

func (s *Store) put(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	sum := sha256.Sum256(body)
	if c := r.Header.Get("X-Amz-Checksum-Sha256"); c != "" && c != base64.StdEncoding.EncodeToString(sum[:]) {
		http.Error(w, "<Error><Code>BadDigest</Code></Error>", http.StatusBadRequest)
		return
	}
	if _, exists := s.objects[name]; exists && r.Header.Get("If-None-Match") == "*" {
		http.Error(w, "<Error><Code>PreconditionFailed</Code></Error>", http.StatusPreconditionFailed)
		return
	}
	meta := map[string]string{}
	for k, v := range r.Header {
		if strings.HasPrefix(k, "X-Amz-Meta-") {
			meta[k] = v[0]
		}
	}
	s.objects[name] = object{body, meta}
}

func (s *Store) get(w http.ResponseWriter, r *http.Request, name string) {
	o, ok := s.objects[name]
	if !ok {
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
		return
	}
	for k, v := range o.meta {
		w.Header().Set(k, v)
	}
	if r.Method == http.MethodGet {
		w.Write(o.body)
	}
}

func (s *Store) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	most, err := strconv.Atoi(q.Get("max-keys"))
	if err != nil {
		most = 1000
	}
	names := s.names(q.Get("prefix"), q.Get("start-after"))
	type content struct{ Key string }
	out := struct {
		XMLName     xml.Name `xml:"ListBucketResult"`
		IsTruncated bool
		Contents    []content
	}{IsTruncated: len(names) > most}
	for _, n := range names[:min(most, len(names))] {
		out.Contents = append(out.Contents, content{n})
	}
	w.Header().Set("Content-Type", "application/xml")
	xml.NewEncoder(w).Encode(out)
}

// check verifies a request as the service does: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func (s *Store) check(r *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	if got := r.Header.Get("X-Amz-Content-Sha256"); got != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("x-amz-content-sha256 is %q", got)
	}
	date := r.Header.Get("X-Amz-Date")
	if len(date) != len("20060102T150405Z") {
		return fmt.Errorf("x-amz-date is %q", date)
	}
	auth, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return fmt.Errorf("authorization is of another kind")
	}
	var credential, headers, signature string
	for part := range strings.SplitSeq(auth, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch k {
		case "Credential":
			credential = v
		case "SignedHeaders":
			headers = v
		case "Signature":
			signature = v
		}
	}
	scope := date[:8] + "/" + s.Region + "/s3/aws4_request"
	if credential != s.Key+"/"+scope {
		return fmt.Errorf("the credential is %q", credential)
	}
	for _, must := range []string{"host", "x-amz-content-sha256", "x-amz-date"} {
		if !slices.Contains(strings.Split(headers, ";"), must) {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	if want := Signature(s.Secret, s.Region, date, CanonicalRequest(r, headers, hex.EncodeToString(sum[:]))); signature != want {
		return fmt.Errorf("the signature is wrong")
	}
	return nil
}

// CanonicalRequest is step 1 of the description: what is signed of a request.
func CanonicalRequest(r *http.Request, signedHeaders, bodyHash string) string {
	var out strings.Builder
	out.WriteString(r.Method + "\n" + escape(r.URL.Path, true) + "\n")
	var pairs []string
	for k, vs := range r.URL.Query() {
		for _, v := range vs {
			pairs = append(pairs, escape(k, false)+"="+escape(v, false))
		}
	}
	slices.Sort(pairs)
	out.WriteString(strings.Join(pairs, "&") + "\n")
	for h := range strings.SplitSeq(signedHeaders, ";") {
		value := strings.Join(r.Header.Values(h), ",")
		switch h {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		out.WriteString(h + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	out.WriteString("\n" + signedHeaders + "\n" + bodyHash)
	return out.String()
}

// escape is UriEncode of the description.
func escape(s string, keepSlash bool) string {
	s = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	s = strings.ReplaceAll(s, "%7E", "~")
	if keepSlash {
		s = strings.ReplaceAll(s, "%2F", "/")
	}
	return s
}

// Signature is steps 2 and 3.
func Signature(secret, region, date, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + date + "\n" + date[:8] + "/" + region + "/s3/aws4_request\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{date[:8], region, "s3", "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}
