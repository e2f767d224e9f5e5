package link

import (
	"errors"
	"fmt"

	"replicator/replicator/apply"
	"replicator/replicator/fault"
)

// What a connection is for.
const (
	forControl = "control"
	forData    = "data"
	forFollow  = "follow"
)

// hello is the first message on a connection. What the target end must know of the job is in it, so
// that a server that was restarted can go on.
type hello struct {
	Purpose    string       `json:"purpose"`
	Job        string       `json:"job"`
	Instance   string       `json:"instance"`    // of the engine, random
	Epoch      int64        `json:"epoch"`       // 0: not opened yet
	Database   string       `json:"database"`    // of the target; "" leaves it to the server
	Source     string       `json:"source"`      // name of the source database
	SearchPath string       `json:"search_path"` // see target.Config
	Limits     apply.Limits `json:"limits"`
	StepJobs   int          `json:"step_jobs"`
}

// welcome answers it. A refusal is the last message on a connection.
type welcome struct {
	Known   bool     `json:"known"` // the instance's calls are still there
	Refused *failure `json:"refused,omitempty"`
}

// validate refuses what no engine sends.
func (h *hello) validate() error {
	if h.Job == "" || len(h.Job) > longestName || len(h.Instance) != 2*instanceBytes {
		return errors.New("the hello names no job or no engine")
	}
	switch h.Purpose {
	case forControl, forData, forFollow:
		return nil
	}
	return errors.New("the hello is for nothing that this version knows")
}

const (
	longestName   = 63
	instanceBytes = 16
)

// otherVersion is the refusal of a side that is older or newer.
func otherVersion(side string, theirs uint16) error {
	return fault.New(fault.Link, fmt.Errorf("%s speaks version %d of the link's protocol, this side speaks version %d", side, theirs, Version),
		"run the same version of replicator at both sites")
}
