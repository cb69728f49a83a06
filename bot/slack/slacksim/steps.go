package slacksim

import (
	"fmt"
)

// Execution is one run of a custom step of the app in a workflow.
type Execution struct {
	ID      string
	State   string // running, completed, failed, cancelled
	Outputs Object
	Error   string
}

// RunStep runs a custom step of the app, as a workflow of Workflow Builder does: function_executed. It returns the id of the execution.
func (w *Workspace) RunStep(callbackID string, inputs Object) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprintf("Fx%09d", len(w.executions)+1)
	w.executions = append(w.executions, &Execution{ID: id, State: "running"})
	w.emit("function_executed", Object{
		"type": "function_executed",
		"function": Object{
			"id": "Fn000000001", "callback_id": callbackID, "title": callbackID, "description": "", "type": "app", "input_parameters": []any{},
			"output_parameters": []any{}, "app_id": w.cfg.App.ID, "date_created": w.now().Unix(), "date_updated": w.now().Unix(), "date_deleted": 0,
			"form_enabled": false,
		},
		"inputs": inputs, "function_execution_id": id, "workflow_execution_id": "Wx" + id[2:], "event_ts": w.stamp(),
		"bot_access_token": "xwfp-" + w.freshUUID(),
	})
	return id
}

// CancelStep ends a running step from the workflow's side.
func (w *Workspace) CancelStep(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.execution(id); x != nil {
		x.State = "cancelled"
	}
}

// Execution tells how a run stands.
func (w *Workspace) Execution(id string) (Execution, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.execution(id); x != nil {
		return *x, true
	}
	return Execution{}, false
}

func (w *Workspace) execution(id string) *Execution {
	for _, x := range w.executions {
		if x.ID == id {
			return x
		}
	}
	return nil
}

func (c *call) running() (*Execution, Object) {
	x := c.w.execution(c.str("function_execution_id"))
	switch {
	case x == nil:
		return nil, fail("function_execution_not_found")
	case x.State != "running":
		return nil, fail("execution_not_in_running_state")
	}
	return x, nil
}

func functionsCompleteSuccess(c *call) Object {
	x, no := c.running()
	if no != nil {
		return no
	}
	v, _ := c.value("outputs")
	outputs, _ := v.(map[string]any)
	x.State, x.Outputs = "completed", outputs
	c.w.touch()
	return Object{"ok": true}
}

func functionsCompleteError(c *call) Object {
	x, no := c.running()
	if no != nil {
		return no
	}
	x.State, x.Error = "failed", c.str("error")
	c.w.touch()
	return Object{"ok": true}
}

// StartAssistant opens a thread with the app's assistant: assistant_thread_started. What is asked there is posted with Post, as a reply.
func (w *Workspace) StartAssistant(user string) Delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, err := w.actor(user)
	if err != nil {
		return Delivery{Err: fmt.Errorf("opening an assistant thread: %w", err)}
	}
	ch := w.openIM(u)
	m := &Message{Channel: ch.ID, TS: w.stamp(), User: w.cfg.App.BotUserID, Text: "New assistant thread", BotID: w.cfg.App.BotID}
	ch.add(m)
	w.touch()
	w.emit("assistant_thread_started", Object{
		"type":             "assistant_thread_started",
		"assistant_thread": Object{"user_id": u.ID, "context": Object{}, "channel_id": ch.ID, "thread_ts": m.TS},
		"event_ts":         w.stamp(),
	})
	return Delivery{Local: true, TS: m.TS}
}

func assistantSuggest(c *call) Object {
	if ch := c.w.findChannel(c.str("channel_id")); ch == nil || ch.find(c.str("thread_ts")) == nil {
		return fail("channel_not_found")
	}
	return Object{"ok": true}
}
