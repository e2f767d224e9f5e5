package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"replicator/checksum/frame"
	"replicator/replicator/fault"
)

// ahead is how many frames are opened before they are asked for. A frame is about a megabyte
// (the change log's own bound; a single message may be larger), so this bounds the queue's bytes.
const ahead = 4

// recycled is the largest buffer that is kept for the next frame: after one huge value memory
// falls back.
const recycled = 4 << 20

// intake opens frames in a goroutine of its own, so that zstd and BLAKE3 run while the target
// works.
type intake struct {
	frames chan []byte
	free   chan []byte
	err    error // of the goroutine, set before frames is closed
	timer  *time.Timer
}

func newIntake() *intake {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &intake{frames: make(chan []byte, ahead), free: make(chan []byte, 4*ahead), timer: t}
}

// run reads until src ends, fails, or ctx ends.
func (in *intake) run(ctx context.Context, src Source) {
	defer close(in.frames)
	for {
		raw, err := in.open(ctx, src)
		if err != nil {
			in.err = err
			return
		}
		select {
		case in.frames <- raw:
		case <-ctx.Done():
			in.err = ctx.Err()
			return
		}
	}
}

func (in *intake) open(ctx context.Context, src Source) ([]byte, error) {
	sealed, err := src.Next(ctx)
	if err != nil {
		return nil, err
	}
	var dst []byte
	select {
	case dst = <-in.free:
	default:
	}
	if o, ok := src.(Opened); ok {
		return append(dst[:0], o.Raw()...), nil
	}
	h, raw, err := frame.Open(sealed, dst[:0])
	if err == nil && h.Kind != frame.Changes {
		err = fmt.Errorf("frame %d does not hold changes", h.Seq)
	}
	if err != nil {
		return nil, fault.New(fault.Store, fmt.Errorf("open frame of changes: %w", err), "")
	}
	return raw, nil
}

// release takes a buffer back.
func (in *intake) release(raw []byte) {
	if cap(raw) > recycled {
		return
	}
	select {
	case in.free <- raw:
	default:
	}
}

// errQuiet says that no frame came within the time given.
var errQuiet = errors.New("source is quiet")

// next waits for a frame: as long as it takes when patience is zero. io.EOF ends the source.
func (in *intake) next(ctx context.Context, patience time.Duration) ([]byte, error) {
	var quiet <-chan time.Time
	if patience > 0 {
		in.timer.Reset(patience)
		defer in.timer.Stop()
		quiet = in.timer.C
	}
	select {
	case raw, ok := <-in.frames:
		if !ok {
			return nil, in.why(ctx)
		}
		return raw, nil
	case <-quiet:
		return nil, errQuiet
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (in *intake) why(ctx context.Context) error {
	if errors.Is(in.err, io.EOF) {
		return io.EOF
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("next changes: %w", in.err)
}
