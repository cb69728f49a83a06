package main

import (
	"cmp"
	"context"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
)

// checks are the parts of being ready: /readyz, `countersign health` and /access health ask the same.
func (s *serving) checks() []check {
	out := []check{
		{name: screens.Sentencef("ledger"), look: s.ledgerHealth}, {name: screens.Sentencef("slack"), look: s.slackHealth}, {name: screens.Sentencef("drills"), look: s.drillHealth},
	}
	out = append(out, check{name: screens.Sentencef("on-call feeds"), look: s.feedHealth, soft: true}, check{name: screens.Sentencef("clock"), look: s.clockHealth, soft: true})
	if s.rotation != nil {
		out = append(out, check{name: screens.Sentencef("slack token"), look: func() (bool, screens.Sentence) { return tokenHealth(s.rotation.Status(), time.Now()) }})
	}
	return out
}

func (s *serving) ledgerHealth() (bool, screens.Sentence) {
	if err := cmp.Or(s.store.PoisonedBy(), s.store.DiskFull()); err != nil {
		return false, screens.Plain(err.Error())
	}
	if wrong := s.deep.problem(); wrong != "" {
		return false, screens.Plain(wrong)
	}
	return true, screens.Sentencef("entries are written")
}

// lateJobs is how late the longest waiting job may be before people are told that something lags.
const lateJobs = 2 * time.Minute

// alarmUninstalled is raised when Slack took the tokens away. Nobody in Slack can be told then: the ledger, the log, /readyz and the metrics say it,
// the command line goes on, and so do expiry and revocation.
const alarmUninstalled = "slack.uninstalled"

func (s *serving) uninstalled(event string) {
	s.gone.Store(true)
	s.alarm(alarmUninstalled, event, screens.Sentencef("Slack took this app's tokens away (%s). Install it again and restart the bot.", event))
}

// conditions is /access health. An error of the machine is not quoted in a chat: it can hold paths.
func (s *serving) conditions(context.Context) []bot.Condition {
	var out []bot.Condition
	for _, c := range s.checks() {
		ok, say := c.look()
		if !ok && c.name.String() == "ledger" {
			say = screens.Sentencef("nothing can be recorded now, so nothing is decided; what is due is still taken back. The operator sees why.")
		}
		out = append(out, bot.Condition{Part: c.name, OK: ok, Say: say})
	}
	out = append(out, lagCondition(s.jobLag()))
	st := s.intake.Stats()
	lost := st.Busy + st.InboxErrors
	out = append(out, bot.Condition{
		Part: screens.Sentencef("clicks and commands"), OK: lost == 0,
		Say: screens.Sentencef("%d came since the start, %d of them twice, %d could not be recorded (people were told)", int(st.Received), int(st.Duplicates), int(lost)),
	})
	return out
}

// lagCondition says how late the longest waiting message or deadline is, in seconds; below zero it is not known.
func lagCondition(seconds float64) bot.Condition {
	lag := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	c := bot.Condition{Part: screens.Sentencef("messages and deadlines"), OK: lag >= 0 && lag < lateJobs, Say: screens.Sentencef("nothing waits longer than it should")}
	switch {
	case lag < 0:
		c.Say = screens.Sentencef("how long they wait is not known, as the database does not answer")
	case lag > 0:
		c.Say = screens.Sentencef("the longest waiting message or deadline is %s late", lag.String())
	}
	return c
}

// sweepEvery is how often counted attempts of strangers are looked at; a summary is made at most every five minutes.
const sweepEvery = time.Minute

// sweepStrangers records what was refused without an entry of its own.
func (s *serving) sweepStrangers(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.bot.Sweep(ctx, false)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			s.bot.Sweep(last, true)
			return nil
		}
	}
}
