// Package health answers GET /healthz for placement and scheduler, on the address it is told. Dapr's own health server
// accepts --healthz-listen-address and listens on every address nevertheless (1.18.3).
package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/dapr/dapr/pkg/healthz"
)

// Serve returns a runner that serves 200 while every target of the service is ready, else 503, and what else is given.
func Serve(address string, port int, service healthz.Healthz, other map[string]http.HandlerFunc) func(context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !service.IsReady() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	for path, handler := range other {
		mux.HandleFunc(path, handler)
	}
	return func(ctx context.Context) error {
		server := &http.Server{
			Addr:              net.JoinHostPort(address, strconv.Itoa(port)),
			Handler:           mux,
			ReadHeaderTimeout: 10 * time.Second,
			BaseContext:       func(net.Listener) context.Context { return ctx },
		}
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
