package control

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"replicator/replicator/fault"
)

// Another user of the machine finds a socket that is not for him.
func TestAnotherUserIsTold(t *testing.T) {
	err := unasked(withoutPath(&net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}))
	if fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "user") {
		t.Errorf("code %d: %v (hint: %s)", fault.CodeOf(err), err, fault.HintOf(err))
	}
}
