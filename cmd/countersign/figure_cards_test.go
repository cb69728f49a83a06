package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// TestFigure_UrgentAmongAThousandCards lets a thousand cards wait for one channel of a workspace that takes one message a second, lets a burst of
// three pass and answers 429 to more: the product's own queue, pace and sender in real time. The queue keeps that pace by itself, so that the burst
// is left for what is urgent: such a message waits for no card but one that is on its way. How long it took is printed (the figure is 5 s); store/jobs
// has the same exactly, in virtual time. After it the cards go on.
func TestFigure_UrgentAmongAThousandCards(t *testing.T) {
	t.Parallel()
	const cards, before = 1000, 2
	cfg := slacksim.Sample()
	cfg.EnforceRates = true
	cfg.Channels = []slacksim.Channel{{Name: "access", Members: []string{"ann", "helper"}}}
	sim, err := slacksim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); srv.CloseClientConnections(); srv.Close() })
	sender, err := slack.NewSender(slack.SenderOptions{Token: sim.App().BotToken, APIURL: srv.URL + "/api/", AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	kcfg := storetest.Config(t)
	kcfg.Kinds, kcfg.Clock = eventKinds(), jobs.NewSystem()
	kept := storetest.Open(t, kcfg)
	channel := sim.ChannelID("access")
	worker := jobs.New(jobs.Config{Queue: kept, Clock: kcfg.Clock, Log: slog.New(slog.DiscardHandler), Kinds: map[string]jobs.Kind{
		workflows.JobNotice: {Workers: 8, Urgent: 4, Longest: 5 * time.Minute, Handle: func(ctx context.Context, j jobs.Job) error {
			if _, err := sender.PostMessage(ctx, channel, slack.Message{Text: j.Key}); err != nil {
				return paced(j, err)
			}
			return jobs.Done
		}},
	}})
	kept.Attach(worker)
	owe := func(list ...workflows.Notice) {
		pending := map[workflows.StreamID][]workflows.Job{}
		for _, n := range list {
			pending[workflows.StreamID("request/"+n.ID)] = []workflows.Job{n.Job()}
		}
		if _, err := kept.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			return workflows.Outcome{Pending: pending}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	var all []workflows.Notice
	for i := range cards {
		all = append(all, workflows.Notice{ID: fmt.Sprintf("card%d", i), Channel: "#access"})
	}
	owe(all...)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	posted := func(enough func([]slacksim.Message) bool) []slacksim.Message {
		for deadline := time.Now().Add(2 * time.Minute); ; {
			list := sim.Messages("access")
			if enough(list) {
				return list
			}
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain; %d messages stand in the channel", len(list))
			}
			time.Sleep(5 * time.Millisecond) // polls the workspace
		}
	}
	posted(func(list []slacksim.Message) bool { return len(list) >= before }) // the cards are on their way, a second apart
	stood, since := len(sim.Messages("access")), time.Now()
	owe(workflows.Notice{ID: "urgent", Channel: "#access", Urgent: true})
	urgent := func(list []slacksim.Message) int {
		for i, m := range list {
			if m.Text == "urgent" {
				return i
			}
		}
		return -1
	}
	list := posted(func(list []slacksim.Message) bool { return urgent(list) >= 0 })
	took := time.Since(since)
	if ahead := urgent(list) - stood; ahead > 3 {
		t.Errorf("%d cards went before the urgent message", ahead)
	}
	t.Logf("an urgent message stood in the channel after %v, %d cards still waiting (figure: 5 s)", took.Round(time.Millisecond), cards-len(list)+1)
	posted(func(now []slacksim.Message) bool { return len(now) > len(list) })
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
