// Package validate reads what is in deploy with the libraries of those who will.
// It is a module of its own, so that the product's go.mod stays clean.
package validate

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func load(t *testing.T, env []string, profiles ...string) (*types.Project, error) {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(env), cli.WithProfiles(profiles), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	return o.LoadProject(context.Background())
}

var secrets = []string{"MONGO_ROOT_PASSWORD=a1", "MONGO_PASSWORD=b2", "MONGO_KEY=c3"}

// TestCompose: the file is one that compose takes; every service has a health
// check and starts again; nothing but tidegate is reachable from outside.
func TestCompose(t *testing.T) {
	p, err := load(t, secrets, "redis", "mosquitto", "s3")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, s := range p.Services {
		names = append(names, name)
		if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
			t.Errorf("%s has no health check", name)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s restarts %q", name, s.Restart)
		}
		if name != "tidegate" && len(s.Ports) > 0 {
			t.Errorf("%s publishes %v", name, s.Ports)
		}
		if s.Image == "" || name != "tidegate" && !strings.Contains(s.Image, ":") {
			t.Errorf("%s has image %q without a version", name, s.Image)
		}
	}
	slices.Sort(names)
	if want := []string{"mongo", "mosquitto", "redis", "s3", "tidegate"}; !slices.Equal(names, want) {
		t.Errorf("services are %v, want %v", names, want)
	}
	tidegate := p.Services["tidegate"]
	if uri := tidegate.Environment["MONGO_URI"]; uri == nil || *uri != "mongodb://tidegate:b2@mongo:27017/tidegate?replicaSet=rs0" {
		t.Errorf("MONGO_URI is %v", uri)
	}
	if d := tidegate.DependsOn["mongo"]; d.Condition != types.ServiceConditionHealthy {
		t.Errorf("tidegate waits for mongo to be %q", d.Condition)
	}
	if _, err := os.Stat(filepath.Join(tidegate.Build.Context, tidegate.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if mongo := strings.Join(p.Services["mongo"].Command, " "); !strings.Contains(mongo, "--replSet rs0") {
		t.Errorf("mongo runs %q", mongo)
	}
	plain, err := load(t, secrets)
	if err != nil || len(plain.Services) != 2 {
		t.Errorf("without a profile %d services start: %v", len(plain.Services), err)
	}
}

// TestNoDefaultPassword: without each of the secrets nothing starts, and the
// error says where to read on.
func TestNoDefaultPassword(t *testing.T) {
	for i, s := range secrets {
		rest := slices.Delete(slices.Clone(secrets), i, i+1)
		name, _, _ := strings.Cut(s, "=")
		if _, err := load(t, rest); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "head of compose.yaml") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestHealthCheck runs the health check of the image against a real server, and
// without one.
func TestHealthCheck(t *testing.T) {
	bin := os.Getenv("TIDEGATE_BIN")
	if bin == "" {
		t.Skip("TIDEGATE_BIN names no binary: the health check is not run")
	}
	p, err := load(t, secrets)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	check := p.Services["tidegate"].HealthCheck.Test
	if check[0] != "CMD" || check[1] != "/tidegate" {
		t.Fatalf("the health check is %v", check)
	}
	healthy := func() error {
		args := slices.Clone(check[2:])
		for i := range args {
			if args[i] == "/data" {
				args[i] = dir
			}
		}
		return exec.Command(bin, args...).Run()
	}
	if healthy() == nil {
		t.Error("healthy without a server")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := exec.CommandContext(ctx, bin, "serve", "--data", dir)
	server.Env = append(os.Environ(), "TIDEGATE_HTTP_LISTEN=127.0.0.1:0", "TIDEGATE_MQTT_LISTEN=127.0.0.1:0", "MONGO_URI=")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = server.Wait() }()
	for healthy() != nil {
		if t.Context().Err() != nil {
			t.Fatal("never healthy")
		}
	}
}
