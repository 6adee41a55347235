# needs: go
# platforms: systrap ptrace
# A static Go binary: goroutines, channels, timers, os/exec, signals, files.
mkdir g; cat > g/main.go <<'END'
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	runtime.GOMAXPROCS(4)
	var wg sync.WaitGroup
	var n atomic.Int64
	for i := 0; i < 1000; i++ {
		wg.Add(1)
		go func() { defer wg.Done(); for j := 0; j < 100; j++ { n.Add(1); if j%10 == 0 { runtime.Gosched() } } }()
	}
	wg.Wait()
	fmt.Println("goroutines", n.Load())
	a, b := make(chan int), make(chan int)
	go func() { for x := range a { b <- x * 2 }; close(b) }()
	go func() { for i := 0; i < 500; i++ { a <- i }; close(a) }()
	s := 0
	for x := range b { s += x }
	fmt.Println("channels", s)
	select { case <-time.After(10 * time.Millisecond): fmt.Println("timer") }
	out, err := exec.Command("sh", "-c", "echo exec; exit 3").Output()
	var ee *exec.ExitError
	fmt.Printf("%q %v %d\n", out, errors.As(err, &ee), ee.ExitCode())
	cmd := exec.Command("cat")
	in, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	cmd.Start()
	go func() { io.WriteString(in, strings.Repeat("line\n", 20000)); in.Close() }()
	lines := 0
	for sc := bufio.NewScanner(stdout); sc.Scan(); { lines++ }
	fmt.Println("pipe", lines, cmd.Wait())
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-c)
	dir, _ := os.MkdirTemp("", "go")
	for _, f := range []string{"b", "a", "c"} { os.WriteFile(filepath.Join(dir, f), []byte(f), 0o600) }
	es, _ := os.ReadDir(dir)
	var names []string
	for _, e := range es { names = append(names, e.Name()) }
	sort.Strings(names)
	fmt.Println(names, os.RemoveAll(dir))
	l, err := net.Listen("unix", filepath.Join(os.TempDir(), "go.sock"))
	if err == nil {
		go func() { k, _ := l.Accept(); io.WriteString(k, "over unix"); k.Close() }()
		k, _ := net.Dial("unix", l.Addr().String())
		t, _ := io.ReadAll(k)
		fmt.Println(string(t))
		l.Close()
	}
	m := map[int][]byte{}
	for i := 0; i < 200; i++ { m[i%20] = make([]byte, 1<<20); m[i%20][i] = 1 }
	runtime.GC()
	fmt.Println("memory", len(m))
	_, err = os.Open("/nonexistent")
	fmt.Println(err)
	defer func() { fmt.Println("recovered", recover()); var p *int; os.Exit(func() int { defer func() { recover(); os.Exit(5) }(); return *p }()) }()
	panic("on purpose")
}
END
cd g && GOCACHE=$PWD/cache CGO_ENABLED=0 go build -o prog main.go && ./prog; echo "status $?"
