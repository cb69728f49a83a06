// Package deps keeps modules in go.mod until the rooms that need them import them.
package deps

import (
	_ "github.com/arran4/golang-ical"
	_ "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	_ "cel.dev/cel-go/cel"
	_ "cel.dev/cel-go/ext"
	_ "github.com/rickar/cal/v2"
	_ "github.com/transparency-dev/formats/note"
	_ "go.opentelemetry.io/proto/otlp/logs/v1"
	_ "google.golang.org/protobuf/proto"
)
