// The least number of commits that a recovery must bring back, in a file beside the store.
//
//   commit_floor   | magic u64 | commits u64 | hash64 of both u64 |    written in place
//
// The store counts its writes in each write. After a write became durable its number may be noted
// here, lazily and without fsync: what the disk has of this file is never above what the store has
// made durable before, so a recovered store with a lower count has lost commits that were durable.
// (A WAL that is damaged in its middle is otherwise indistinguishable from one that ends there.)
//
// Threads  One at a time.
// Errors   A file that is absent or damaged counts as 0 and proves nothing. A note that cannot be
//          written is dropped.
#pragma once

#include <cstdint>
#include <string>

namespace ims::logic {

class CommitFloor {
 public:
  explicit CommitFloor(const std::string& directory);
  ~CommitFloor();
  CommitFloor(const CommitFloor&) = delete;
  CommitFloor& operator=(const CommitFloor&) = delete;

  std::uint64_t read() const noexcept;
  // Notes `commits`, which are durable; every time.
  void write(std::uint64_t commits) noexcept;
  // Notes them if the last note is a second old.
  void write_lazily(std::uint64_t commits, std::int64_t mono_ms) noexcept;

 private:
  int fd_ = -1;
  std::int64_t next_ms_ = 0;
};

}  // namespace ims::logic
