package slacksim

import "net/http"

func (w *Workspace) mountSim(mux *http.ServeMux)  {}
func (w *Workspace) mountPage(mux *http.ServeMux) {}
