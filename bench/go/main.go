// The peer of the audit file benchmark: digest and Merkle root of a file's lines, in plain Go
// with transparency-dev/merkle. Prints events, digest, root, seconds and peak memory in KiB.
package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

func main() {
	start := time.Now()
	file, err := os.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.New()
	events, root, err := read(io.TeeReader(file, digest))
	if err != nil {
		log.Fatal(err)
	}
	seconds := time.Since(start).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d %x %x %f %d\n", events, digest.Sum(nil), root, seconds, usage.Maxrss)
}

func read(file io.Reader) (int, []byte, error) {
	hasher := rfc6962.DefaultHasher
	tree := (&compact.RangeFactory{Hash: hasher.HashChildren}).NewEmptyRange(0)
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	events := 0
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := tree.Append(hasher.HashLeaf(lines.Bytes()), nil); err != nil {
			return 0, nil, err
		}
		events++
	}
	if err := lines.Err(); err != nil {
		return 0, nil, err
	}
	root, err := tree.GetRootHash(nil)
	return events, root, err
}
