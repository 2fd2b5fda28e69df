// Dapr's scheduler service: the reminders of actors. As Dapr's own main outside Kubernetes, but for its health server,
// which this one keeps to --healthz-listen-address.
package main

import (
	"context"
	"os"

	"doppel/dapr/health"

	"github.com/dapr/dapr/cmd/scheduler/options"
	"github.com/dapr/dapr/pkg/buildinfo"
	"github.com/dapr/dapr/pkg/healthz"
	"github.com/dapr/dapr/pkg/metrics"
	"github.com/dapr/dapr/pkg/modes"
	"github.com/dapr/dapr/pkg/scheduler/monitoring"
	"github.com/dapr/dapr/pkg/scheduler/server"
	"github.com/dapr/dapr/pkg/security"
	"github.com/dapr/kit/concurrency"
	"github.com/dapr/kit/logger"
	"github.com/dapr/kit/signals"
)

var log = logger.NewLogger("dapr.scheduler")

func main() {
	opts, err := options.New(os.Args[1:])
	if err != nil {
		log.Fatal(err)
	}
	if err := logger.ApplyOptionsToLoggers(&opts.Logger); err != nil {
		log.Fatal(err)
	}
	log.Infof("Starting Dapr Scheduler Service -- version %s -- log level %s", buildinfo.Version(), opts.Logger.OutputLevel)
	if err := monitoring.InitMetrics(); err != nil {
		log.Fatal(err)
	}
	if err := run(signals.Context(), opts); err != nil {
		log.Fatalf("Fatal error running scheduler: %v", err)
	}
	log.Info("Scheduler service shut down gracefully")
}

func run(ctx context.Context, opts *options.Options) error {
	service := healthz.New()
	provider, err := security.New(ctx, security.Options{
		SentryAddress:           opts.SentryAddress,
		ControlPlaneTrustDomain: opts.TrustDomain,
		ControlPlaneNamespace:   security.CurrentNamespace(),
		TrustAnchorsFile:        opts.TrustAnchorsFile,
		AppID:                   "dapr-scheduler",
		MTLSEnabled:             opts.TLSEnabled,
		Mode:                    modes.DaprMode(opts.Mode),
		Healthz:                 service,
		WriteIdentityToFile:     &opts.IdentityDirectoryWrite,
	})
	if err != nil {
		return err
	}
	exporter := metrics.New(metrics.Options{
		Log:           log,
		Enabled:       opts.Metrics.Enabled(),
		Namespace:     metrics.DefaultMetricNamespace,
		Port:          opts.Metrics.Port(),
		ListenAddress: opts.ListenAddress,
		Healthz:       service,
	})
	return concurrency.NewRunnerManager(
		exporter.Start,
		provider.Run,
		health.Serve(opts.HealthzListenAddress, opts.HealthzPort, service, nil),
		func(ctx context.Context) error {
			handler, err := provider.Handler(ctx)
			if err != nil {
				return err
			}
			// A server ends when the members of its etcd change; then a new one takes its place.
			for ctx.Err() == nil {
				scheduler, err := server.New(ctx, serverOptions(opts, handler, service))
				if err != nil {
					return err
				}
				if err := scheduler.Run(ctx); err != nil {
					return err
				}
			}
			return ctx.Err()
		},
	).Run(ctx)
}

func serverOptions(opts *options.Options, handler security.Handler, service healthz.Healthz) server.Options {
	return server.Options{
		Port:                           opts.Port,
		ListenAddress:                  opts.ListenAddress,
		OverrideBroadcastHostPort:      opts.OverrideBroadcastHostPort,
		Mode:                           modes.DaprMode(opts.Mode),
		Security:                       handler,
		Healthz:                        service,
		Workers:                        opts.Workers,
		EtcdEmbed:                      opts.EtcdEmbed,
		EtcdDataDir:                    opts.EtcdDataDir,
		EtcdName:                       opts.ID,
		EtcdInitialCluster:             opts.EtcdInitialCluster,
		EtcdClientPort:                 opts.EtcdClientPort,
		EtcdClientListenAddress:        opts.EtcdClientListenAddress,
		EtcdClientEndpoints:            opts.EtcdClientEndpoints,
		EtcdClientUsername:             opts.EtcdClientUsername,
		EtcdClientPassword:             opts.EtcdClientPassword,
		EtcdSpaceQuota:                 opts.EtcdSpaceQuota,
		EtcdCompactionMode:             opts.EtcdCompactionMode,
		EtcdCompactionRetention:        opts.EtcdCompactionRetention,
		EtcdSnapshotCount:              opts.EtcdSnapshotCount,
		EtcdMaxSnapshots:               opts.EtcdMaxSnapshots,
		EtcdMaxWALs:                    opts.EtcdMaxWALs,
		EtcdBackendBatchLimit:          opts.EtcdBackendBatchLimit,
		EtcdBackendBatchInterval:       opts.EtcdBackendBatchInterval,
		EtcdMaxTxnOps:                  opts.EtcdMaxTxnOps,
		EtcdDefragThresholdMB:          opts.EtcdDefragThresholdMB,
		EtcdInitialElectionTickAdvance: opts.EtcdInitialElectionTickAdvance,
		EtcdMetrics:                    opts.EtcdMetrics,
	}
}
