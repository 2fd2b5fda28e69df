// Reads a compose file as docker compose does (the loader of the Compose specification: schema, interpolation,
// extends, consistency of references) and prints the whole project as JSON. What is wrong is said on standard error.
//
// Usage: compose-check FILE [PROFILE…]. Variables come from the environment and from .env beside the file, if there is one.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) < 2 {
		fail("Usage: compose-check FILE [PROFILE…]")
	}
	options, err := cli.NewProjectOptions(
		os.Args[1:2],
		cli.WithOsEnv,
		cli.WithDotEnv,
		cli.WithProfiles(os.Args[2:]),
	)
	if err != nil {
		fail(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		fail(err)
	}
	text, err := project.MarshalJSON()
	if err != nil {
		fail(err)
	}
	fmt.Println(string(text))
}

func fail(what any) {
	fmt.Fprintln(os.Stderr, what)
	os.Exit(1)
}
