// Command tidegate is an IoT backend for one small box.
package main

import (
	_ "embed"
	"os"

	"tidegate/cli"
)

//go:embed config.yaml
var defaultConfig []byte

// Set by the linker.
var version, buildDate string

func main() {
	os.Exit(cli.Main(cli.Process{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Environ: os.Environ(), Config: defaultConfig, Version: version, Built: buildDate,
	}))
}
