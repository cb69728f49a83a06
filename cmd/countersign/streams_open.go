package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// What ledger.yaml names, made ready: streams and anchors with their secrets.

// secretAt reads a secret from the place that a file names.
func secretAt(p spec.SecretPlace, what string) (string, error) {
	switch {
	case p.Env != "":
		v := os.Getenv(p.Env)
		if v == "" {
			return "", fmt.Errorf("environment variable %s, named by %s_env, is not set", p.Env, what)
		}
		return v, nil
	case p.File != "":
		v, err := readSecret(p.File)
		if err != nil {
			return "", fmt.Errorf("%s_file: %w", what, err)
		}
		return v, nil
	}
	return "", nil
}

// sinkOf makes the receiving end of a stream.
func sinkOf(o spec.Outlet) (streams.Sink, error) {
	switch o.Kind {
	case "syslog":
		return streams.NewSyslog(o.URL, o.CAFile, o.Facility, o.MaxBytes)
	case "file":
		return &streams.File{Path: o.Path, MaxSize: int64(o.MiB) << 20, Keep: o.Keep}, nil
	}
	client, err := streams.NewClient(o.CAFile)
	if err != nil {
		return nil, err
	}
	switch o.Kind {
	case "webhook":
		return webhookOf(o, client)
	case "s3":
		objects, err := objectsOf(o, client)
		return streams.ObjectSink{Objects: objects}, err
	case "otlp":
		token, err := secretAt(o.Token, "token")
		return &streams.OTLP{URL: o.URL, Header: o.Header, Token: token, Client: client}, err
	}
	return nil, fmt.Errorf("there is no kind of stream %q", o.Kind)
}

func webhookOf(o spec.Outlet, client *http.Client) (*streams.Webhook, error) {
	text, err := secretAt(o.Secret, "secret")
	if err != nil {
		return nil, err
	}
	secret, err := streams.WebhookSecret(text)
	return &streams.Webhook{URL: o.URL, Secret: secret, Client: client}, err
}

func objectsOf(o spec.Outlet, client *http.Client) (*streams.Objects, error) {
	id, err := secretAt(o.AccessKey, "access_key")
	key, err2 := secretAt(o.SecretKey, "secret_key")
	return &streams.Objects{URL: o.URL, Region: o.Region, Key: id, Secret: key, Client: client}, errors.Join(err, err2)
}

// anchorOf makes an anchor; nil for those that are reached in another way. vkeys are the ledger's public keys.
func anchorOf(o spec.Outlet, vkeys []string) (anchors.Anchor, error) {
	if o.Kind == "slack" {
		return nil, nil
	}
	client, err := streams.NewClient(o.CAFile)
	if err != nil {
		return nil, err
	}
	switch o.Kind {
	case "webhook":
		post, err := webhookOf(o, client)
		return &anchors.Hook{ID: o.ID, Post: post}, err
	case "s3":
		objects, err := objectsOf(o, client)
		if err != nil {
			return nil, err
		}
		keys, err := ledger.Verifiers(vkeys...)
		return &anchors.Vault{ID: o.ID, Objects: objects, Keys: keys}, err
	case "witness":
		return anchors.NewWitness(o.ID, o.URL, o.VKey, client)
	}
	return nil, fmt.Errorf("there is no kind of anchor %q", o.Kind)
}

// outflow looks at what ledger.yaml names: are the secrets there, and do the anchors answer.
func (d *doctor) outflow(ctx context.Context) {
	folder, err := readFolder(d.cfg.Config)
	if err != nil {
		return // said already
	}
	conf := folder.Ledger()
	for _, o := range conf.Streams {
		sink, err := sinkOf(o)
		d.say(err == nil, fmt.Sprintf("stream %s: %s to %s", o.ID, o.Kind, o.URL+o.Path), errorText(err))
		if err == nil {
			_ = sink.Close() // nothing was opened
		}
	}
	key, err := readLedgerKey(d.cfg)
	if err != nil {
		d.say(false, "ledger: "+err.Error(), "")
		return
	}
	if key.Origin() == "" {
		return // not started yet: there is nothing to ask about
	}
	for _, o := range conf.Anchors {
		a, err := askable(d.cfg, o, []string{key.VKey()})
		if err == nil {
			_, err = a.Ask(ctx, nothingToProve{}, anchors.Head{Origin: key.Origin()})
		}
		if errors.Is(err, anchors.ErrMute) {
			err = nil
		}
		d.say(err == nil, fmt.Sprintf("anchor %s: %s %s", o.ID, o.Kind, o.URL+o.Channel), errorText(err))
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return printable(err.Error())
}
