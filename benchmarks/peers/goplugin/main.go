// A host and a plugin of HashiCorp go-plugin that echo text, over net/rpc or gRPC.
//
// `goplugin netrpc|grpc PLUGIN` is the host: it answers tasks, a line of JSON each, as seat.py does.
// PLUGIN is a copy of this program, so that host and plugin share no pages; with the handshake's
// variable set, it is the plugin.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var handshake = plugin.HandshakeConfig{
	ProtocolVersion: 1, MagicCookieKey: "DEVKIT_BENCH_PLUGIN", MagicCookieValue: "echo",
}

type echoer interface{ Echo(text string) (string, error) }

type echo struct{}

func (echo) Echo(text string) (string, error) { return text, nil }

// over net/rpc

type rpcServer struct{}

func (rpcServer) Echo(text string, answer *string) (err error) {
	*answer, err = echo{}.Echo(text)
	return
}

type rpcClient struct{ remote *rpc.Client }

func (c rpcClient) Echo(text string) (answer string, err error) {
	err = c.remote.Call("Plugin.Echo", text, &answer)
	return
}

type rpcPlugin struct{}

func (rpcPlugin) Server(*plugin.MuxBroker) (interface{}, error) { return rpcServer{}, nil }
func (rpcPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (interface{}, error) {
	return rpcClient{c}, nil
}

// over gRPC: the service is declared by hand, its messages are protobuf's own StringValue

func handleEcho(
	server interface{}, _ context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor,
) (interface{}, error) {
	request := new(wrapperspb.StringValue)
	if err := decode(request); err != nil {
		return nil, err
	}
	text, err := server.(echoer).Echo(request.Value)
	return &wrapperspb.StringValue{Value: text}, err
}

var service = grpc.ServiceDesc{
	ServiceName: "benchmarks.Echo",
	HandlerType: (*echoer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Echo", Handler: handleEcho}},
}

type grpcClient struct{ connection *grpc.ClientConn }

func (c grpcClient) Echo(text string) (string, error) {
	answer := new(wrapperspb.StringValue)
	request := &wrapperspb.StringValue{Value: text}
	err := c.connection.Invoke(context.Background(), "/benchmarks.Echo/Echo", request, answer)
	return answer.Value, err
}

type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	server.RegisterService(&service, echo{})
	return nil
}

func (grpcPlugin) GRPCClient(
	_ context.Context, _ *plugin.GRPCBroker, connection *grpc.ClientConn,
) (interface{}, error) {
	return grpcClient{connection}, nil
}

func plugins(kind string) map[string]plugin.Plugin {
	if kind == "grpc" {
		return map[string]plugin.Plugin{"echo": grpcPlugin{}}
	}
	return map[string]plugin.Plugin{"echo": rpcPlugin{}}
}

// the host

type running struct {
	echoer
	pid  int
	stop func()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func start(kind, binary string) running {
	command := exec.Command(binary, kind)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: handshake, Plugins: plugins(kind), Cmd: command, Logger: hclog.NewNullLogger(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC},
	})
	protocol, err := client.Client()
	check(err)
	raw, err := protocol.Dispense("echo")
	check(err)
	return running{raw.(echoer), command.Process.Pid, client.Kill}
}

func call(remote echoer, text string) {
	answer, err := remote.Echo(text)
	check(err)
	if answer != text {
		check(fmt.Errorf("wrong echo"))
	}
}

type figures map[string]float64

func sequential(remote echoer, text string, calls int) figures {
	for i := 0; i < calls/10; i++ {
		call(remote, text)
	}
	samples := make([]float64, calls)
	for i := range samples {
		begin := time.Now()
		call(remote, text)
		samples[i] = float64(time.Since(begin).Nanoseconds()) / 1e3
	}
	sort.Float64s(samples)
	return figures{"µs": samples[calls/2], "p99 µs": samples[calls*99/100]}
}

func flight(remote echoer, text string, calls int) figures {
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
	return figures{"calls/s": float64(calls/window*window) / time.Since(begin).Seconds()}
}

func firstAnswer(kind, binary string, starts int) figures {
	samples := make([]float64, starts)
	for i := range samples {
		time.Sleep(20 * time.Millisecond) // as PAUSE in seat.py
		begin := time.Now()
		one := start(kind, binary)
		call(one, strings.Repeat("x", 100))
		samples[i] = float64(time.Since(begin).Nanoseconds()) / 1e6
		one.stop()
	}
	sort.Float64s(samples)
	return figures{"ms": samples[starts/2], "p99 ms": samples[starts-1]}
}

func pss(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	check(err)
	for _, line := range strings.Split(string(data), "\n") {
		if strings.HasPrefix(line, "Pss:") {
			kib, err := strconv.ParseFloat(strings.Fields(line)[1], 64)
			check(err)
			return kib / 1024
		}
	}
	check(fmt.Errorf("no Pss of %d", pid))
	return 0
}

func fleet(kind, binary string, count int) figures {
	var all []running
	var each []float64
	for i := 0; i < count; i++ {
		one := start(kind, binary)
		call(one, "x")
		all = append(all, one)
	}
	for _, one := range all {
		each = append(each, pss(one.pid))
	}
	for _, one := range all {
		one.stop()
	}
	sort.Float64s(each)
	return figures{"MiB": each[count/2]}
}

func versions() string {
	found := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			found[module.Path] = strings.TrimPrefix(module.Version, "v")
		}
	}
	return fmt.Sprintf("%s, grpc-go %s, Go %s", found["github.com/hashicorp/go-plugin"],
		found["google.golang.org/grpc"], strings.TrimPrefix(runtime.Version(), "go"))
}

func main() {
	kind := os.Args[1]
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: handshake, Plugins: plugins(kind), Logger: hclog.NewNullLogger(),
			GRPCServer: plugin.DefaultGRPCServer,
		})
		return
	}
	binary := os.Args[2]
	one := start(kind, binary)
	out := json.NewEncoder(os.Stdout)
	check(out.Encode(map[string]string{"version": versions()}))
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		task := struct {
			Task                string
			Size, Calls, Starts int
			Plugins             int
		}{}
		check(json.Unmarshal(lines.Bytes(), &task))
		text := strings.Repeat("x", task.Size)
		var found figures
		switch task.Task {
		case "sequential":
			found = sequential(one, text, task.Calls)
		case "flight":
			found = flight(one, text, task.Calls)
		case "first_answer":
			found = firstAnswer(kind, binary, task.Starts)
		case "fleet":
			found = fleet(kind, binary, task.Plugins)
		}
		check(out.Encode(map[string]figures{"figures": found}))
	}
	one.stop()
}
