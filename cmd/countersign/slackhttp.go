package main

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
)

// HTTP mode: Slack sends what people do to LISTEN, signed with the app's signing secret, instead of through a socket that we open. Both may
// be on at once while an app is moved from one to the other: an interaction that comes twice is handled once.

// connectTransports makes the ways in that the settings ask for.
func (s *serving) connectTransports() (err error) {
	if s.cfg.SlackApp != "" {
		s.transport, err = slack.NewTransport(slack.TransportOptions{
			AppToken: s.cfg.SlackApp, APIURL: s.cfg.SlackAPI, Intake: s.intake, AllowLoopback: s.cfg.SlackAPI != "", Log: s.log,
			OnGhost: s.ghost,
		})
		if err != nil {
			return err
		}
	}
	if s.cfg.SlackSecret == "" {
		return nil
	}
	verifier, err := slack.NewVerifier(s.cfg.SlackSecret, time.Now) // a signature's age is real time, whatever the product's clock says
	if err != nil {
		return err
	}
	s.receiver, err = slack.NewReceiver(slack.ReceiverOptions{Intake: s.intake, Verifier: verifier, Log: s.log})
	return err
}

// listenToSlack runs the socket where there is one.
func (s *serving) listenToSlack(ctx context.Context) error {
	if s.transport == nil {
		<-ctx.Done()
		return nil
	}
	return s.transport.Run(ctx)
}

// sockets are the counts of the connections; none in HTTP mode.
func (s *serving) sockets() slack.SocketStats {
	if s.transport == nil {
		return slack.SocketStats{}
	}
	return s.transport.Stats()
}

// slackHealth says whether interactions can reach us.
func (s *serving) slackHealth() (bool, screens.Sentence) {
	if s.gone.Load() {
		return false, screens.Sentencef("Slack took the app's tokens away: install it again and restart the bot; the command line, expiry and revocation go on")
	}
	if s.transport == nil {
		st := s.receiver.Stats()
		return true, screens.Sentencef("listens for signed requests: %d came, %d were not signed by Slack", int(st.Requests), int(st.Unverified))
	}
	st := s.transport.Stats()
	return s.transport.Ready(), screens.Sentencef("%d of %d connections", int(st.Live), int(max(st.Expected, st.Live)))
}

// front sends Slack's requests past the limits of the other pages: a view's state may be larger than what hosts send, and the receiver has
// a limit of its own.
func (s *serving) front(pages http.Handler) http.Handler {
	limited := http.MaxBytesHandler(pages, maxHTTPBody)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.receiver != nil && (r.URL.Path == "/slack" || strings.HasPrefix(r.URL.Path, "/slack/")) {
			s.receiver.ServeHTTP(w, r)
			return
		}
		limited.ServeHTTP(w, r)
	})
}
