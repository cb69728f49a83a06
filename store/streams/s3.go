package streams

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Objects is a bucket of a store of the S3 shape, addressed by path. Requests are signed with AWS Signature Version 4.
type Objects struct {
	URL    string // https://host/bucket/prefix
	Region string
	Key    string // access key id
	Secret string
	Client *http.Client
	Now    func() time.Time // nil: time.Now
}

// ErrExists says that an object is there already: objects are never written over.
var ErrExists = errors.New("the object exists already")

// ErrNoObject says that there is none of that name.
var ErrNoObject = errors.New("there is no such object")

// Put writes an object unless one of that name exists (ErrExists). meta travels with it; names in lower case.
func (o *Objects) Put(ctx context.Context, name, contentType string, meta map[string]string, body []byte) error {
	sum := sha256.Sum256(body)
	h := http.Header{
		"Content-Type":          {contentType},
		"If-None-Match":         {"*"},
		"X-Amz-Checksum-Sha256": {base64.StdEncoding.EncodeToString(sum[:])}, // buckets with object lock want one
	}
	for k, v := range meta {
		h.Set("X-Amz-Meta-"+k, v)
	}
	answer, err := o.call(ctx, http.MethodPut, name, nil, h, body)
	if err != nil {
		return err
	}
	if answer.status == http.StatusPreconditionFailed {
		return ErrExists
	}
	return answer.ok()
}

// Head reads what travels with an object.
func (o *Objects) Head(ctx context.Context, name string) (map[string]string, error) {
	answer, err := o.call(ctx, http.MethodHead, name, nil, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	if answer.status == http.StatusNotFound {
		return nil, ErrNoObject
	}
	meta := map[string]string{}
	for k, v := range answer.header {
		if name, ok := strings.CutPrefix(strings.ToLower(k), "x-amz-meta-"); ok {
			meta[name] = v[0]
		}
	}
	return meta, answer.ok()
}

// Get reads an object of at most 64 KiB.
func (o *Objects) Get(ctx context.Context, name string) ([]byte, error) {
	answer, err := o.call(ctx, http.MethodGet, name, nil, http.Header{}, nil)
	if err != nil {
		return nil, err
	}
	if answer.status == http.StatusNotFound {
		return nil, ErrNoObject
	}
	if len(answer.body) == maxAnswer {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxAnswer)
	}
	return answer.body, answer.ok()
}

// After lists at most n names behind one, in the order of names, all beginning with prefix.
func (o *Objects) After(ctx context.Context, prefix, after string, n int) ([]string, error) {
	_, base, err := o.bucket()
	if err != nil {
		return nil, err
	}
	q := url.Values{"list-type": {"2"}, "prefix": {base + prefix}, "max-keys": {strconv.Itoa(n)}}
	if after != "" {
		q.Set("start-after", base+after)
	}
	answer, err := o.call(ctx, http.MethodGet, "", q, http.Header{}, nil)
	if err == nil {
		err = answer.ok()
	}
	if err != nil {
		return nil, err
	}
	var list struct {
		Contents []struct {
			Key string `xml:"Key"`
		} `xml:"Contents"`
	}
	if err := xml.Unmarshal(answer.body, &list); err != nil {
		return nil, fmt.Errorf("reading the store's list: %w", err)
	}
	var out []string
	for _, c := range list.Contents {
		out = append(out, strings.TrimPrefix(c.Key, base))
	}
	return out, nil
}

// bucket splits the address into that of the bucket and the prefix of names, which ends in a slash unless it is empty.
func (o *Objects) bucket() (u *url.URL, prefix string, err error) {
	u, err = url.Parse(o.URL)
	if err != nil {
		return nil, "", fmt.Errorf("the address of the store: %w", err)
	}
	bucket, prefix, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if bucket == "" {
		return nil, "", fmt.Errorf("the address %q names no bucket", o.URL)
	}
	if prefix != "" {
		prefix += "/"
	}
	u.Path = "/" + bucket
	return u, prefix, nil
}

// call signs and makes one request; an empty name addresses the bucket.
func (o *Objects) call(ctx context.Context, method, name string, query url.Values, h http.Header, body []byte) (reply, error) {
	u, prefix, err := o.bucket()
	if err != nil {
		return reply{}, err
	}
	if name != "" {
		u.Path += "/" + prefix + name
	} else {
		u.Path += "/"
	}
	u.RawPath = escapePath(u.Path)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // the signature counts a blank so
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return reply{}, err
	}
	req.Header = h
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	req.Header.Set("User-Agent", "countersign")
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	signer := v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }) // S3 escapes a path once
	if err := signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: o.Key, SecretAccessKey: o.Secret}, req, hash, "s3", o.Region, now()); err != nil {
		return reply{}, fmt.Errorf("signing the request: %w", err)
	}
	return do(o.Client, req)
}

// escapePath encodes everything but unreserved characters and slashes, as the signature demands; net/url leaves more as it is.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

// Close lets idle connections go.
func (o *Objects) Close() error { o.Client.CloseIdleConnections(); return nil }

// ObjectSink writes one object a batch: entries/<index of the first entry, 20 digits>.jsonl. An object that is there already is never
// written over; it says how far it reaches, and the stream goes on behind it, if it is of this ledger.
type ObjectSink struct{ *Objects }

// Send implements Sink.
func (s ObjectSink) Send(ctx context.Context, batch []Record) (int, error) {
	first, last := batch[0], batch[len(batch)-1]
	body, err := lines(batch)
	if err != nil {
		return 0, err
	}
	name := fmt.Sprintf("entries/%020d.jsonl", first.Entry)
	err = s.Put(ctx, name, "application/x-ndjson", map[string]string{
		"first": strconv.FormatInt(first.Entry, 10), "last": strconv.FormatInt(last.Entry, 10), "leaf-hash": last.LeafHash,
	}, body)
	if errors.Is(err, ErrExists) {
		return s.resume(ctx, name, batch)
	}
	if err != nil {
		return 0, err
	}
	return len(batch), nil
}

// resume finds out how much of the batch is in the object that is there.
func (s ObjectSink) resume(ctx context.Context, name string, batch []Record) (int, error) {
	meta, err := s.Head(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("looking at %s, which is there already: %w", name, err)
	}
	last, err := strconv.ParseInt(meta["last"], 10, 64)
	n := last - batch[0].Entry + 1
	switch {
	case err != nil || n < 1:
		return 0, fmt.Errorf("%s is there already and does not say which entries it holds", name)
	case n > int64(len(batch)):
		return 0, fmt.Errorf("%s is there already and reaches to entry %d, which this ledger does not have yet: it was rolled back, or another one writes there", name, last)
	case meta["leaf-hash"] != batch[n-1].LeafHash:
		return 0, fmt.Errorf("%s is there already with another entry %d: the ledger was rolled back, or another one writes there", name, last)
	}
	return int(n), nil
}

// Linger implements Sink: an object for every entry would cost more than it is worth.
func (s ObjectSink) Linger() time.Duration { return linger }
