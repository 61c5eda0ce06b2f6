//go:build ignore

// Report reads go test -json from standard input. It shows the result of each
// package, the output of what failed, and at the end each skipped test with its
// reason, which it also appends to the file given as an argument. It exits with 1 when something failed.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
}

func main() {
	output := map[string][]string{} // by package and test
	var skipped []string
	failed := false
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			fmt.Println(in.Text()) // not of go test
			continue
		}
		key := e.Package + " " + e.Test
		switch e.Action {
		case "build-output":
			fmt.Print(e.Output)
		case "build-fail":
			failed = true
		case "output":
			if e.Test == "" && (strings.HasPrefix(e.Output, "ok ") || strings.HasPrefix(e.Output, "FAIL\t")) {
				fmt.Print(e.Output)
				continue
			}
			output[key] = append(output[key], e.Output)
		case "pass":
			delete(output, key)
		case "skip":
			if e.Test != "" {
				skipped = append(skipped, e.Test+": "+reason(output[key]))
			}
			delete(output, key)
		case "fail":
			failed = true
			for _, line := range output[key] {
				if !strings.HasPrefix(line, "=== ") {
					fmt.Print(line)
				}
			}
			delete(output, key)
		}
	}
	slices.Sort(skipped)
	skipped = slices.Compact(skipped)
	for _, s := range skipped {
		fmt.Println("skipped " + s)
	}
	if len(os.Args) > 1 && len(skipped) > 0 {
		if err := note(os.Args[1], skipped); err != nil {
			fmt.Fprintln(os.Stderr, "note what was skipped:", err)
			failed = true
		}
	}
	if err := in.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "read the results:", err)
		failed = true
	}
	if failed {
		os.Exit(1)
	}
}

// note appends lines to a file that collects them over several suites.
func note(file string, lines []string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		_ = f.Close() // the first error is told
		return err
	}
	return f.Close()
}

// reason answers what a test said before it was skipped.
func reason(lines []string) string {
	for _, l := range lines {
		l = strings.TrimSpace(l)
		if !strings.HasPrefix(l, "===") && !strings.HasPrefix(l, "---") && l != "" {
			return l
		}
	}
	return "no reason given"
}
