// USDT probes of provider `imsd`: places that perf and bpftrace can attach to in a running server.
// Until somebody does, each is one nop, and its arguments are values that were at hand anyway.
//
//   stage(trace, stage, ticks)                 a traced message enters a stage (stage_block.h)
//   traced(kind, total_ns, stage_ns, connection, user, request_id)
//                                              and has left; stage_ns points to its eight u64
//   open(connection, socket)                   accepted
//   close(connection, reason)                  its slot is done; reason: gateway/connection.h
//   login(connection, code)                    answered; code: shared/codes.h
//   send(connection, bytes, frames)            one send is asked for; frames: those that no send
//                                              before it began with
//   wake(sent)                                 1: a sleeping thread was woken; 0: it was awake
//   slow(connection, action, bytes)            a slow consumer, owed that much; action: 0 a relayed
//                                              message dropped, 1 rows refused, 2 took nothing for
//                                              stall_timeout: told to go, 3 cut off
//   ring_full(ring, index)                     0 requests, 1 deliveries, 2 handoffs; of which peer
//   commit_begin(rows, bytes)                  on commit0: one write of all batches at hand
//   commit_end(rows, bytes, ns)                and its end
//
// At most six arguments: bpftrace reaches no more. deploy/trace/ has the scripts that use them.
// Names and arguments are an interface: scripts of operators go by them.
#pragma once

// Its macros are C.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#pragma GCC diagnostic pop

// Arguments are integers: an enumeration is cast by who calls.
#define IMS_PROBE(name, ...) STAP_PROBEV(imsd, name, __VA_ARGS__)
