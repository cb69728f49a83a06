package slacksim

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// serveLive tells a page of every change over a WebSocket: the workspace's revision, now and whenever it grows. Origins other than our
// own are refused by the upgrader.
func (w *Workspace) serveLive(rw http.ResponseWriter, r *http.Request) {
	if !w.subscribe(1) {
		http.Error(rw, "too many pages are listening", http.StatusServiceUnavailable)
		return
	}
	defer w.subscribe(-1)
	var up websocket.Upgrader
	ws, err := up.Upgrade(rw, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer func() { _ = ws.Close() }() // it is gone either way
	gone := make(chan struct{})
	w.spawn(func() {
		defer close(gone)
		ws.SetReadLimit(maxBody)
		for {
			if _, _, err := ws.NextReader(); err != nil {
				return
			}
		}
	})
	w.tellChanges(ws, gone)
}

func (w *Workspace) tellChanges(ws *websocket.Conn, gone <-chan struct{}) {
	for last := ^uint64(0); ; {
		w.mu.Lock()
		rev, changed := w.rev, w.changed
		w.mu.Unlock()
		if rev != last {
			last = rev
			if ws.SetWriteDeadline(time.Now().Add(socketWriteWait)) != nil || ws.WriteMessage(websocket.TextMessage, fmt.Append(nil, rev)) != nil {
				return
			}
		}
		select {
		case <-changed:
		case <-gone:
			return
		case <-w.ctx.Done():
			return
		}
	}
}
