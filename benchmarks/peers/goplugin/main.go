// A host and a plugin of HashiCorp go-plugin that echo text, timed from the host.
//
// `goplugin host` starts itself as the plugin and prints one JSON object of figures;
// with the handshake's variable set, it is the plugin.
package main

import (
	"encoding/json"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

var handshake = plugin.HandshakeConfig{
	ProtocolVersion: 1, MagicCookieKey: "DEVKIT_BENCH_PLUGIN", MagicCookieValue: "echo",
}

type echoServer struct{}

func (echoServer) Echo(text string, answer *string) error {
	*answer = text
	return nil
}

type echoPlugin struct{}

func (echoPlugin) Server(*plugin.MuxBroker) (interface{}, error) { return echoServer{}, nil }
func (echoPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (interface{}, error) {
	return c, nil
}

var plugins = map[string]plugin.Plugin{"echo": echoPlugin{}}

func start() (*plugin.Client, *rpc.Client) {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake, Plugins: plugins, Cmd: exec.Command(os.Args[0]),
		Logger: hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	if err != nil {
		panic(err)
	}
	raw, err := protocol.Dispense("echo")
	if err != nil {
		panic(err)
	}
	return client, raw.(*rpc.Client)
}

func call(remote *rpc.Client, text string) {
	var answer string
	if err := remote.Call("Plugin.Echo", text, &answer); err != nil || answer != text {
		panic(fmt.Sprint("wrong echo: ", err))
	}
}

func median(samples []float64) float64 {
	sort.Float64s(samples)
	return samples[len(samples)/2]
}

func sequential(remote *rpc.Client, text string, calls int) (float64, float64) {
	samples := make([]float64, calls)
	for i := range samples {
		begin := time.Now()
		call(remote, text)
		samples[i] = float64(time.Since(begin).Nanoseconds()) / 1e3
	}
	middle := median(samples)
	return middle, samples[len(samples)*99/100]
}

func inFlight(remote *rpc.Client, text string, calls int) float64 {
	const window = 64
	var wait sync.WaitGroup
	begin := time.Now()
	for w := 0; w < window; w++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := 0; i < calls/window; i++ {
				call(remote, text)
			}
		}()
	}
	wait.Wait()
	return float64(calls/window*window) / time.Since(begin).Seconds()
}

func main() {
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, Plugins: plugins, Logger: hclog.NewNullLogger()})
		return
	}
	figures := map[string]float64{}
	var starts []float64
	for i := 0; i < 7; i++ {
		begin := time.Now()
		client, remote := start()
		call(remote, "x")
		starts = append(starts, float64(time.Since(begin).Microseconds())/1e3)
		client.Kill()
	}
	figures["first answer, ms"] = median(starts)
	client, remote := start()
	defer client.Kill()
	small, large := strings.Repeat("x", 100), strings.Repeat("x", 1<<20)
	sequential(remote, small, 500)
	figures["100 B, one at a time, µs"], figures["100 B, one at a time, p99 µs"] = sequential(remote, small, 5000)
	figures["100 B, 64 in flight, calls/s"] = inFlight(remote, small, 64*300)
	figures["64 KiB, one at a time, µs"], _ = sequential(remote, strings.Repeat("x", 65536), 500)
	figures["1 MiB, one at a time, µs"], _ = sequential(remote, large, 60)
	if err := json.NewEncoder(os.Stdout).Encode(figures); err != nil {
		panic(err)
	}
}
