package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// timed is an answer that knows until when it may be read and written.
type timed struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (t *timed) SetReadDeadline(at time.Time) error  { t.read = at; return nil }
func (t *timed) SetWriteDeadline(at time.Time) error { t.write = at; return nil }

// TestALargeUploadIsAnswered: taking in 100,000 identities takes longer than any other call may, and who sent them is told what came of it. Before, the
// answer was cut off after a minute, and the command said that no bot was there.
func TestALargeUploadIsAnswered(t *testing.T) {
	t.Parallel()
	s := &serving{log: slog.New(slog.DiscardHandler)}
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	s.answer(w, httptest.NewRequest("POST", "/identities/import", strings.NewReader("id")), "import", func(context.Context) (reply, error) {
		if least := time.Now().Add(5 * writeTimeout); w.read.Before(least) || w.write.Before(least) {
			t.Errorf("may be read until %v and answered until %v", w.read, w.write)
		}
		return reply{OK: true, Text: "Taken in."}, nil
	})
	if out := w.Body.String(); !strings.Contains(out, "Taken in.") {
		t.Error(out)
	}
}
