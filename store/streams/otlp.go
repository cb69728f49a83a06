package streams

import (
	"context"
	"fmt"
	"net/http"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// OTLP sends OpenTelemetry log records over HTTP in protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp. The sentence is the body,
// the kind of event the event name, the leaf log.record.original.
type OTLP struct {
	URL    string // https://collector:4318/v1/logs
	Header string // that carries Token; empty: Authorization, as a bearer token
	Token  string
	Client *http.Client
}

// Send implements Sink.
func (o *OTLP) Send(ctx context.Context, batch []Record) (int, error) {
	body, err := proto.Marshal(otlpLogs(batch))
	if err != nil {
		return 0, fmt.Errorf("writing log records: %w", err)
	}
	h := http.Header{"Content-Type": {"application/x-protobuf"}, "User-Agent": {"countersign"}}
	switch {
	case o.Token == "":
	case o.Header == "":
		h.Set("Authorization", "Bearer "+o.Token)
	default:
		h.Set(o.Header, o.Token)
	}
	answer, err := send(ctx, o.Client, http.MethodPost, o.URL, h, body)
	if err == nil {
		err = answer.ok()
	}
	if err != nil {
		return 0, err
	}
	if n, why := rejected(answer.body); n > 0 {
		// The protocol forbids to send them again: the stream goes on, and says so.
		return len(batch), &RejectedError{N: n, First: batch[0].Entry, Last: batch[len(batch)-1].Entry, Why: printable(why, maxComplaint)}
	}
	return len(batch), nil
}

// otlpLogs is the request: LogsData has the wire form of ExportLogsServiceRequest, and needs no gRPC.
func otlpLogs(batch []Record) *logspb.LogsData {
	scope := &logspb.ScopeLogs{Scope: &commonpb.InstrumentationScope{Name: "countersign"}}
	for _, r := range batch {
		scope.LogRecords = append(scope.LogRecords, otlpRecord(r))
	}
	return &logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			text("service.name", "countersign"), text("countersign.ledger.origin", batch[0].Origin),
		}},
		ScopeLogs: []*logspb.ScopeLogs{scope},
	}}}
}

func otlpRecord(r Record) *logspb.LogRecord {
	out := &logspb.LogRecord{
		TimeUnixNano: uint64(r.at().UnixNano()), ObservedTimeUnixNano: uint64(time.Now().UnixNano()),
		SeverityNumber: logspb.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
		Body: stringValue(r.Sentence), EventName: r.Type,
		Attributes: []*commonpb.KeyValue{
			text("log.record.uid", fmt.Sprintf("%s/%d", r.Origin, r.Entry)), text("log.record.original", string(r.Leaf)),
			text("countersign.stream", r.Stream), number("countersign.entry", r.Entry), number("countersign.previous", r.Previous),
			number("countersign.size", r.Size), text("countersign.leaf_hash", r.LeafHash),
		},
	}
	if r.warns() {
		out.SeverityNumber, out.SeverityText = logspb.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	}
	if r.Note != "" {
		out.Attributes = append(out.Attributes, text("countersign.checkpoint", r.Note))
	}
	for _, k := range sortedKeys(r.Openings) {
		out.Attributes = append(out.Attributes, text("countersign.opening."+k, r.Openings[k]))
	}
	return out
}

func text(key, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: stringValue(v)}
}

func stringValue(v string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v}}
}

func number(key string, v int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v}}}
}

// rejected reads ExportLogsServiceResponse{partial_success{rejected_log_records, error_message}}; an answer that cannot be read says nothing.
func rejected(body []byte) (n int64, why string) {
	partial, ok := field(body, 1)
	if !ok {
		return 0, ""
	}
	for len(partial) > 0 {
		num, typ, k := protowire.ConsumeTag(partial)
		if k < 0 {
			return n, why
		}
		partial = partial[k:]
		switch {
		case num == 1 && typ == protowire.VarintType:
			v, l := protowire.ConsumeVarint(partial)
			if l < 0 {
				return n, why
			}
			n, partial = int64(v), partial[l:]
		case num == 2 && typ == protowire.BytesType:
			v, l := protowire.ConsumeBytes(partial)
			if l < 0 {
				return n, why
			}
			why, partial = string(v), partial[l:]
		default:
			l := protowire.ConsumeFieldValue(num, typ, partial)
			if l < 0 {
				return n, why
			}
			partial = partial[l:]
		}
	}
	return n, why
}

// field finds the bytes of one field.
func field(b []byte, want protowire.Number) ([]byte, bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		if num == want && typ == protowire.BytesType {
			v, l := protowire.ConsumeBytes(b[n:])
			return v, l >= 0
		}
		l := protowire.ConsumeFieldValue(num, typ, b[n:])
		if l < 0 {
			return nil, false
		}
		b = b[n+l:]
	}
	return nil, false
}

// Linger implements Sink.
func (o *OTLP) Linger() time.Duration { return 0 }

// Close implements Sink.
func (o *OTLP) Close() error { o.Client.CloseIdleConnections(); return nil }
