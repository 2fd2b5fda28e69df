// Dapr's placement service: which sidecar hosts which actor. As Dapr's own main, but for its health server, which this
// one keeps to --healthz-listen-address.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"sync/atomic"

	"doppel/dapr/health"

	"github.com/dapr/dapr/cmd/placement/options"
	"github.com/dapr/dapr/pkg/buildinfo"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/placement"
	"github.com/dapr/dapr/pkg/placement/monitoring"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
)

var log = logger.NewLogger("dapr.placement")

func main() {
	opts, err := options.New(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if err := logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		log.Fatal(err)
	}
	log.Infof("Starting Dapr Placement Service -- version %s -- log level %s", buildinfo.Version(), opts.Logger.OutputLevel)
	if err := monitoring.InitMetrics(); err != nil {
		log.Fatal(err)
	}
	if err := run(signals.Context(), opts); err != nil {
		log.Fatal(err)
	}
	log.Info("Placement service shut down gracefully")
}

func run(ctx context.Context, opts *options.Options) error {
	service := healthz.New()
	provider, err := security.New(ctx, security.Options{
		SentryAddress:           opts.SentryAddress,
		ControlPlaneTrustDomain: opts.TrustDomain,
		ControlPlaneNamespace:   security.CurrentNamespace(),
		TrustAnchorsFile:        &opts.TrustAnchorsFile,
		AppID:                   "dapr-placement",
		MTLSEnabled:             opts.TLSEnabled,
		Mode:                    modes.DaprMode(opts.Mode),
		Healthz:                 service,
	})
	if err != nil {
		return err
	}
	exporter := metrics.New(metrics.Options{
		Log:           log,
		Enabled:       opts.Metrics.Enabled(),
		Namespace:     metrics.DefaultMetricNamespace,
		Port:          opts.Metrics.Port(),
		ListenAddress: opts.PlacementListenAddress,
		Healthz:       service,
	})

	var current atomic.Pointer[placement.Placement]
	other := map[string]http.HandlerFunc{}
	if opts.MetadataEnabled {
		other["/placement/state"] = tables(&current)
	}
	return concurrency.NewRunnerManager(
		exporter.Start,
		provider.Run,
		health.Serve(opts.HealthzListenAddress, opts.HealthzPort, service, other),
		func(ctx context.Context) error {
			handler, err := provider.Handler(ctx)
			if err != nil {
				return err
			}
			place, err := placement.New(placement.Options{
				NodeID:                    opts.RaftID,
				Peers:                     opts.RaftPeers,
				Port:                      opts.PlacementPort,
				ListenAddress:             opts.PlacementListenAddress,
				Security:                  handler,
				Healthz:                   service,
				KeepAliveTime:             opts.KeepAliveTime,
				KeepAliveTimeout:          opts.KeepAliveTimeout,
				ReplicationFactor:         int64(opts.ReplicationFactor),
				DisseminateTimeout:        opts.DisseminateTimeout,
				DisseminateCoalesceWindow: opts.DisseminateCoalesceWindow,
			})
			if err != nil {
				return err
			}
			current.Store(place)
			return place.Run(ctx)
		},
	).Run(ctx)
}

func tables(current *atomic.Pointer[placement.Placement]) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		place := current.Load()
		if place == nil {
			http.Error(w, "placement is starting", http.StatusServiceUnavailable)
			return
		}
		state, err := place.StatePlacementTables(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(state); err != nil {
			log.Warnf("Failed to answer with the placement tables: %s", err)
		}
	}
}
