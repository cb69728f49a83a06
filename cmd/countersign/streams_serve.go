package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// outflow is how the ledger leaves: its streams and anchors while the bot runs.
type outflow struct {
	conf    spec.Ledger
	streams []*outstream
	anchors []*anchorage
}

// outstream is one stream with what it was configured to be.
type outstream struct {
	*streams.Stream
	conf spec.Outlet
	lost int64 // that an alarm was raised for
}

// openStreams makes the streams. One that cannot be made is an error: it would never be missed.
func (s *serving) openStreams(ctx context.Context, conf spec.Ledger) error {
	s.out.conf = conf
	decoder, err := store.NewDecoder(eventKinds())
	if err != nil {
		return err
	}
	for _, o := range conf.Streams {
		sink, err := sinkOf(o)
		if err != nil {
			return fmt.Errorf("stream %q: %w", o.ID, err)
		}
		src := &streamSource{store: s.store, decoder: decoder, id: o.ID, names: o.Names, narrator: newNarrator(time.UTC, map[workflows.PersonID]string{})}
		s.out.streams = append(s.out.streams, &outstream{conf: o, Stream: &streams.Stream{
			Name: o.ID, Source: src, Sink: sink, Cursor: cursor{s.store, "stream/" + o.ID, o.FromNow}, Log: s.log,
		}})
		if o.Names {
			if err := s.recordNames(ctx, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordNames enters that names go out.
func (s *serving) recordNames(ctx context.Context, o spec.Outlet) error {
	at, err := s.store.Outlet(ctx, "stream/"+o.ID)
	if err != nil {
		return err
	}
	_, err = s.store.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", store.StreamOpened{Stream: o.ID, Sink: o.Kind, From: at.Next})
		return out, nil
	})
	return err
}

// cursor keeps a stream's place in the ledger's own database.
type cursor struct {
	store   *store.Store
	name    string
	fromNow bool
}

// Load implements streams.Cursor. A stream that never ran begins with the first entry, or with the next one.
func (c cursor) Load(ctx context.Context) (streams.State, error) {
	o, err := c.store.Outlet(ctx, c.name)
	if err != nil {
		return streams.State{}, err
	}
	if c.fromNow && o == (store.Outlet{Name: c.name}) {
		head, err := c.store.Head(ctx)
		if err != nil {
			return streams.State{}, err
		}
		o.Next = head.Size
		if err := c.store.PutOutlet(ctx, o); err != nil {
			return streams.State{}, err
		}
	}
	return streams.State{Next: o.Next, SentAt: timeOf(o.SentAt), Failing: timeOf(o.Failing), Attempts: int(o.Attempts), Error: o.Error}, nil
}

// Save implements streams.Cursor.
func (c cursor) Save(ctx context.Context, s streams.State) error {
	return c.store.PutOutlet(ctx, store.Outlet{
		Name: c.name, Next: s.Next, SentAt: stampOrZero(s.SentAt), Failing: stampOrZero(s.Failing), Attempts: int64(s.Attempts), Error: s.Error,
	})
}

func timeOf(at workflows.Stamp) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return at.Time()
}

func stampOrZero(t time.Time) workflows.Stamp {
	if t.IsZero() {
		return 0
	}
	return workflows.StampOf(t)
}

// streamSource reads entries for a stream: the leaf as it is, and a sentence made of nothing but the leaf, unless names may go out.
type streamSource struct {
	store    *store.Store
	decoder  *store.Decoder
	id       string
	names    bool
	narrator *narrator
	told     int64 // entries below this index are known to the narrator
}

// Read implements streams.Source.
func (s *streamSource) Read(ctx context.Context, from int64, n, maxBytes int) ([]streams.Record, int64, error) {
	if head, err := s.store.Head(ctx); err != nil || head.Size <= from {
		return nil, head.Size, err // no snapshot is taken for nothing
	}
	src, err := s.store.Source(ctx)
	if err != nil {
		return nil, 0, err
	}
	out, size, err := s.read(ctx, src, from, n, maxBytes)
	return out, size, errors.Join(err, src.Close())
}

func (s *streamSource) read(ctx context.Context, src *store.Source, from int64, n, maxBytes int) ([]streams.Record, int64, error) {
	head, err := src.Head(ctx)
	if err != nil {
		return nil, 0, err
	}
	to, bytes := min(from+int64(n), head.Size), 0
	var entries []ledger.Entry
	for e, err := range src.Entries(ctx, from, to) {
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, e)
		if bytes += len(e.Leaf); bytes >= maxBytes {
			break
		}
	}
	opened, err := s.openings(ctx, src, entries)
	if err != nil {
		return nil, 0, err
	}
	out := make([]streams.Record, 0, len(entries))
	for _, e := range entries {
		r, err := s.record(e, head, opened[e.Index])
		if err != nil {
			return nil, 0, err
		}
		out = append(out, r)
	}
	return out, head.Size, nil
}

// openings reads sealed texts and the names of people, if they may go out.
func (s *streamSource) openings(ctx context.Context, src *store.Source, entries []ledger.Entry) (map[int64][]ledger.Opening, error) {
	if !s.names || len(entries) == 0 {
		return nil, nil
	}
	people, err := s.store.People(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range people {
		s.narrator.names[p.Ref] = p.Name
	}
	out := map[int64][]ledger.Opening{}
	for o, err := range src.Openings(ctx, entries[0].Index, entries[len(entries)-1].Index+1) {
		if err != nil {
			return nil, err
		}
		out[o.Index] = append(out[o.Index], o.Opening)
	}
	return out, nil
}

func (s *streamSource) record(e ledger.Entry, head ledger.Head, opened []ledger.Opening) (streams.Record, error) {
	r, err := streams.NewRecord(s.store.Origin(), s.id, e.Index, head.Size, e.Leaf)
	if err != nil {
		return r, err
	}
	rec, err := s.decoder.Record(e.Index, e.Leaf, opened)
	if err != nil {
		return r, err
	}
	r.Sentence = s.sentence(rec)
	for _, o := range opened {
		if r.Openings == nil {
			r.Openings = map[string]string{}
		}
		r.Openings[o.Field] = o.Value
	}
	if e.Index == head.Size-1 {
		r.Note = string(head.Note)
	}
	return r, nil
}

// sentence tells an entry; one that is read again because it did not get through is told as the first time.
func (s *streamSource) sentence(rec workflows.Record) string {
	if rec.Index >= s.told {
		s.told = rec.Index + 1
		return s.narrator.Sentence(rec)
	}
	return s.narrator.Again(rec)
}

// Alarms of what leaves.
const (
	alarmStream   = "stream.lagging"
	alarmRejected = "stream.rejected"
)

const outflowLook = 15 * time.Second // how often streams and anchors are looked at

// watchOutflow raises an alarm for a stream or an anchor that does not get through for too long.
func (s *serving) watchOutflow(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(outflowLook):
		}
		for _, o := range s.out.streams {
			s.lookAtStream(o)
		}
		s.lookAtAnchors(ctx)
	}
}

func (s *serving) lookAtStream(o *outstream) {
	st, limit := o.Status(), time.Duration(o.conf.Alarm)*time.Second
	if late := max(st.Behind, sinceOrZero(st.Failing)); late > limit {
		s.alarm(alarmStream+"/"+o.conf.ID, fmt.Sprintf("%d entries wait since %v", st.Lag(), late.Round(time.Second)), screens.Sentencef(
			"The stream %q has not got through for %s: %d entries wait. Nothing is lost, they go out when it does. What it says: %s",
			o.conf.ID, lasting(late), int(st.Lag()), orDash(st.Error)))
	}
	if st.Lost > o.lost {
		o.lost = st.Lost
		s.alarm(alarmRejected+"/"+o.conf.ID, fmt.Sprintf("%d records", st.Lost), screens.Sentencef(
			"The receiver of the stream %q rejected %d records since the start and will not take them again: it has a gap. What it says: %s", o.conf.ID, int(st.Lost), orDash(st.Error)))
	}
}

func sinceOrZero(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Since(t)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// outflowMetrics are read when they are asked for, one value for each stream and anchor.
type outflowMetrics struct {
	s                                          *serving
	streamLag, streamLate, streamFailing, lost *prometheus.Desc
	anchorLag, anchorFailing, cosigners        *prometheus.Desc
}

func newOutflowMetrics(s *serving) *outflowMetrics {
	desc := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc("countersign_"+name, help, []string{label}, nil)
	}
	return &outflowMetrics{
		s:             s,
		streamLag:     desc("stream_lag_entries", "Entries that have not arrived at the receiver of a stream.", "stream"),
		streamLate:    desc("stream_lag_seconds", "How long the oldest of them has been waiting.", "stream"),
		streamFailing: desc("stream_failing", "1 while nothing gets through.", "stream"),
		lost:          desc("stream_rejected_total", "Records that the receiver refused for good, since the start.", "stream"),
		anchorLag:     desc("anchor_lag_entries", "Entries under the last published head that an anchor does not have.", "anchor"),
		anchorFailing: desc("anchor_failing", "1 while an anchor takes no heads.", "anchor"),
		cosigners:     prometheus.NewDesc("countersign_head_cosignatures", "Witnesses that have signed the last published head.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *outflowMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.streamLag, m.streamLate, m.streamFailing, m.lost, m.anchorLag, m.anchorFailing, m.cosigners} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *outflowMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, o := range m.s.out.streams {
		st := o.Status()
		gauge(m.streamLag, float64(st.Lag()), o.conf.ID)
		gauge(m.streamLate, st.Behind.Seconds(), o.conf.ID)
		gauge(m.streamFailing, truth(!st.Failing.IsZero()), o.conf.ID)
		ch <- prometheus.MustNewConstMetric(m.lost, prometheus.CounterValue, float64(st.Lost), o.conf.ID)
	}
	for _, a := range m.s.out.anchors {
		lag, failing := a.state()
		gauge(m.anchorLag, float64(lag), a.conf.ID)
		gauge(m.anchorFailing, truth(failing), a.conf.ID)
	}
	gauge(m.cosigners, float64(m.s.cosigners()))
}

// openOutflow makes what ledger.yaml names.
func (s *serving) openOutflow(ctx context.Context, conf spec.Ledger) error {
	if err := s.openStreams(ctx, conf); err != nil {
		return err
	}
	return s.openAnchors(ctx, conf)
}

// runOutflow starts it. None of it ever ends by itself: a receiver that is away comes back.
func (s *serving) runOutflow(part func(string, func(context.Context) error)) {
	for _, o := range s.out.streams {
		part("the stream "+o.conf.ID, o.Run)
	}
	for _, a := range s.out.anchors {
		part("the anchor "+a.conf.ID, a.run)
	}
	if len(s.out.streams)+len(s.out.anchors) > 0 {
		part("the watch on what leaves", s.watchOutflow)
	}
}
