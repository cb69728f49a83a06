package s3test_test

import (
	"net/http"
	"testing"

	"github.com/countersign-bot/countersign/store/streams/s3test"
)

// TestPublishedVectors holds the store's own reading of Signature Version 4 against the examples that AWS publishes with its description.
func TestPublishedVectors(t *testing.T) {
	const (
		secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		empty  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		date   = "20130524T000000Z"
	)
	for _, c := range []struct {
		path, signed, want string
		header             map[string]string
	}{
		{
			"/test.txt", "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
			map[string]string{"Range": "bytes=0-9"},
		},
		{"/?lifecycle", "host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", nil},
		{"/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", nil},
	} {
		r, err := http.NewRequest(http.MethodGet, "https://examplebucket.s3.amazonaws.com"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("X-Amz-Content-Sha256", empty)
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		if got := s3test.Signature(secret, "us-east-1", date, s3test.CanonicalRequest(r, c.signed, empty)); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}
