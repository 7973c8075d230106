// The writing end of the segment log: the active segment, and how a segment's file is made.
//
// A file is made in full before it is used, with zeros written over all of it: an fdatasync of a
// record then has no metadata to write (measured against fallocate(): bench/README.md). What is not
// used of it is cut off when the next segment begins.
//
// Threads  SegmentLog: one (the committer). make_segment(): any.
// Errors   By value. After kNoSpace or kIoError of append() the bytes behind end() may be anything:
//          the active segment must not be appended to again.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "logic/segment_format.h"
#include "logic/segment_io.h"
#include "logic/store.h"

namespace ims::logic {

// An open file, moved and closed by hand: fd -1 is none.
struct SegmentFile {
  std::uint32_t number = 0;
  int fd = -1;
  std::uint64_t bytes = 0;  // made for
  std::string path;
};

// kOk, or kNoSpace or kIoError and nothing is left.
StoreStatus make_segment(const std::string& directory, SegmentIo& io, std::uint32_t number,
                         std::uint64_t bytes, SegmentFile& made);
void close_segment(SegmentFile& file) noexcept;
void remove_segment(SegmentFile& file) noexcept;

// What a segment needs to hold one record.
constexpr std::uint64_t segment_bytes_for(std::uint64_t body_bytes) noexcept {
  return sizeof(SegmentHeader) + record_bytes(body_bytes);
}

class SegmentLog {
 public:
  explicit SegmentLog(SegmentIo& io) : io_(io) {}

  // Goes on in `file`; gives back the one before, whose fd is the caller's now.
  SegmentFile activate(SegmentFile file);

  bool fits(std::uint64_t body_bytes) const noexcept {
    return active_.fd >= 0 && end_or_header() + record_bytes(body_bytes) <= active_.bytes;
  }
  // `parts` has one unused element in front for the headers. `body_offset`: where the body begins.
  StoreStatus append(std::uint64_t commit, std::span<iovec> parts, std::uint64_t body_bytes,
                     bool sync, std::uint64_t& body_offset);
  StoreStatus sync();  // kOk or kIoError

  std::uint32_t number() const noexcept { return active_.number; }
  std::uint64_t end() const noexcept { return end_; }  // of the last whole record; 0: none
  bool unsynced() const noexcept { return unsynced_; }
  SegmentFile& active() noexcept { return active_; }

 private:
  std::uint64_t end_or_header() const noexcept { return end_ == 0 ? sizeof(SegmentHeader) : end_; }

  SegmentIo& io_;
  SegmentFile active_;
  std::uint64_t salt_ = 0;
  std::uint64_t end_ = 0;
  bool unsynced_ = false;
};

}  // namespace ims::logic
