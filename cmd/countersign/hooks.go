package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

const (
	// maxHook bounds the body of a webhook: GitHub cuts its own at 25 MB, but what an issue's holds is far less.
	maxHook = 1 << 20

	// maxHooks bounds the webhooks that are dealt with at a time; more are told to come again, which all senders do.
	maxHooks = 8

	// hookTime bounds one: GitHub waits ten seconds.
	hookTime = 9 * time.Second
)

// hooks takes the webhooks of systems of tasks. One says only which task to ask about: what hangs on a task that is not open any more ends
// now instead of at the next look, and so does what wants it assigned or in its window where it is not any more. So a webhook that is repeated, late or invented by somebody with the secret does nothing that the system
// itself would not say.
type hooks struct {
	sources []taskSource
	close   func(ctx context.Context, cause workflows.Cause, ref string) (int, error)
	verify  func(ctx context.Context, ref string) (int, error) // it is open: whether it still is what the policy wants
	log     func(target string, ref string, ended int, err error)
	slots   chan struct{}
}

func newHooks(s *serving, sources []taskSource) *hooks {
	return &hooks{
		sources: sources, slots: make(chan struct{}, maxHooks),
		close: func(ctx context.Context, cause workflows.Cause, ref string) (int, error) {
			return s.desk.CloseTask(ctx, cause, workflows.System, ref)
		},
		verify: func(ctx context.Context, ref string) (int, error) {
			v, err := s.desk.VerifyTicket(ctx, ref)
			return v.Ended, err
		},
		log: func(target, ref string, ended int, err error) {
			if err != nil {
				s.log.Warn("a task that a webhook named could not be looked at; the next regular look will", "target", target, "err", err)
				return
			}
			s.log.Info("a webhook named a task", "target", target, "ref", printable(ref), "ended", ended)
		},
	}
}

// ServeHTTP answers 204 when all that was named was looked at, 401 to what is not signed, and 503 to come again.
func (h *hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	takeHook(w, r, h.slots, h.serve)
}

// takeHook reads what was posted, for as many at once as there are slots, and within hookTime; whoever comes when all are taken is to come again.
func takeHook(w http.ResponseWriter, r *http.Request, slots chan struct{}, serve func(context.Context, http.ResponseWriter, *http.Request, []byte)) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	default:
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), hookTime)
	defer cancel()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHook))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	serve(ctx, w, r, body)
}

func (h *hooks) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, body []byte) {
	for _, s := range h.sources {
		if s.name != r.PathValue("target") || s.hook == nil {
			continue
		}
		refs, err := s.hook(r.Header, body, time.Now())
		if err != nil {
			break // whoever has no secret learns nothing of what is configured
		}
		if err := h.look(ctx, s, refs); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// look asks about each task and ends what hung on one that is not open, or is not what the policy wants.
func (h *hooks) look(ctx context.Context, s taskSource, refs []string) error {
	var errs []error
	for _, ref := range refs {
		s.Forget(ref)
		t, err := s.Task(ctx, ref)
		ended := 0
		switch {
		case err != nil:
		case t.Exists && t.Open:
			ended, err = h.verify(ctx, ref)
		default:
			ended, err = h.close(ctx, workflows.Cause("hook/"+s.name+"/"+rand.Text()), ref)
		}
		h.log(s.name, ref, ended, err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
