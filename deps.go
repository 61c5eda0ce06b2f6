//go:build deps

package main

import (
	_ "github.com/danielgtaylor/huma/v2"
	_ "github.com/danielgtaylor/huma/v2/adapters/humaecho"
	_ "github.com/eclipse/paho.golang/autopaho"
	_ "github.com/eclipse/paho.mqtt.golang"
	_ "github.com/golang-jwt/jwt/v5"
	_ "github.com/google/uuid"
	_ "github.com/klauspost/compress/s2"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/knadh/koanf/v2"
	_ "github.com/labstack/echo/v4"
	_ "github.com/mochi-mqtt/server/v2"
	_ "github.com/prometheus/client_golang/prometheus"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/valyala/fastjson"
	_ "github.com/vbauerster/mpb/v8"
	_ "go.etcd.io/bbolt"
	_ "golang.org/x/crypto/argon2"
	_ "nhooyr.io/websocket"
	_ "gopkg.in/yaml.v3"
	_ "golang.org/x/term"
	_ "github.com/coreos/go-systemd/v22/daemon"
)
