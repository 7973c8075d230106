// A read that a worker needs, as one value: first run on the worker against what is in memory
// (kCacheOnly); where that is incomplete, again on the reader's thread (kMayBlock).
//
// Ownership  The worker's pool; the reader's while submitted. Results live in the Load.
// Threads    run_load() touches the Load and the store only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logic/batch.h"
#include "logic/reader.h"
#include "logic/rows.h"

namespace ims::logic {

struct Load : ReadJob {
  enum class Kind : std::uint8_t {
    kGets,       // `gets` alone: dedupe rows, members, password hashes
    kEntity,     // gets[0]: user or group row; first_seq brought up to date
    kLogin,      // as kEntity, and `cursors` and `mine` of the user
    kMine,       // `mine` alone
    kFirstSeq,   // `timeline` state brought up to date
    kRowPage,    // rows of a timeline, [seq_from, seq_to], oldest or newest first
    kRepeats,    // what the rows of [seq_from, seq_to] not older than cutoff_ms are repeated by
    kNamePage,   // keys of kMeta behind a prefix: members
  };
  enum class Reason : std::uint8_t {  // what the worker does with the result
    kEntity, kLogin, kReplay, kPassword, kSync, kCatchup, kMembersPage, kContactsPage,
    kDevices,
  };

  struct Page {
    std::uint64_t seq = 0;
    std::string value;
  };

  // A row with a client_id: DedupeKey::hash of it.
  struct Repeat {
    std::uint64_t hash = 0;
    std::uint64_t seq = 0;
  };

  // ---- the question ----
  Kind load_kind{};
  Reason reason{};
  Entity* entity = nullptr;       // pinned
  TimelineKey timeline_key;
  std::int64_t cutoff_ms = 0;     // rows older than this are hidden
  std::uint64_t seq_from = 0;
  std::uint64_t seq_to = 0;
  ConnectionId connection;        // kCatchup: the session's
  SessionId session;
  std::uint32_t feed = 0;
  std::uint64_t hash_seed = 0;    // kRepeats
  bool listed_contacts = false;   // kNamePage: contact rows that LIST shows
  Requester requester;
  std::string record;             // the request, to go on with

  // ---- the answer ----
  TimelineState timeline;         // kEntity, kLogin, kFirstSeq; in: what is known
  std::string entity_value;       // the user or group row; empty: none
  CursorList cursors;
  CompactVector<Mine> mine;
  std::vector<Page> page;
  std::vector<Repeat> repeats;

  void reset();
};

// kOk, kIncomplete (kCacheOnly only), kIoError, kCorrupt. May be run again after kIncomplete.
StoreStatus run_load(Store& store, Load& load, ReadTier tier);

// Brings first_seq and first_time_ms up to date: the oldest row not older than `cutoff_ms`, or head
// + 1 where none is kept. A binary search, since time_ms ascends with seq: about 20 reads for a
// million.
StoreStatus find_first_kept(Store& store, TimelineKey key, std::int64_t cutoff_ms,
                            TimelineState& state, ReadTier tier);

}  // namespace ims::logic
