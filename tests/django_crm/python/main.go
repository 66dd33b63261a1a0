// Unpacks a Python into the folder that is named, and prints the interpreter's path.
package main

import (
	"fmt"
	"os"

	"github.com/kluctl/go-embed-python/python"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: python FOLDER")
		os.Exit(2)
	}
	unpacked, err := python.NewEmbeddedPythonWithTmpDir(os.Args[1], false)
	if err != nil {
		fmt.Fprintln(os.Stderr, "python cannot be unpacked:", err)
		os.Exit(1)
	}
	path, err := unpacked.GetExePath()
	if err != nil {
		fmt.Fprintln(os.Stderr, "python cannot be unpacked:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
