// Reading segments back at start-up: which there are, and their records in order.
//
// Threads  Start-up. Memory  The largest record, or kReplayBytes.
// Errors   A record that is torn, damaged or not the next ends its segment. Whether that was
//          the end of what had been acknowledged say records behind it (durable_behind()) and the
//          commit floor. I/O errors throw StoreError.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "logic/segment_format.h"

namespace ims::logic {

// Ascending; none where the directory does not exist.
std::vector<std::uint32_t> list_segments(const std::string& directory);

// With which commit the segment behind numbers[at] begins: from there on this one's are void.
// UINT64_MAX: there is none, or it begins with none.
std::uint64_t next_first_commit(const std::string& directory,
                                const std::vector<std::uint32_t>& numbers, std::size_t at);

class SegmentReplay {
 public:
  SegmentReplay(const std::string& directory, std::uint32_t number);
  ~SegmentReplay();
  SegmentReplay(const SegmentReplay&) = delete;
  SegmentReplay& operator=(const SegmentReplay&) = delete;

  // Nothing: there is none, so no record either.
  const std::optional<SegmentHeader>& header() const noexcept { return header_; }

  // It begins with something else than a segment of this format does, or than none does: zeros.
  bool is_foreign() const noexcept { return is_foreign_; }

  struct Record {
    std::uint64_t commit = 0;
    std::uint32_t flags = 0;
    std::uint64_t body_offset = 0;
    std::string_view body;  // until the next one
  };
  // The next record, if its commit is `expected` and below `void_from`.
  std::optional<Record> next(std::uint64_t expected, std::uint64_t void_from);

  // Behind the last record that next() gave: how many commits a record there proves to have been
  // durable. 0: nothing does, as behind a tail that was torn or is not used.
  std::uint64_t durable_behind(std::uint64_t expected, std::uint64_t void_from);

  std::uint64_t end() const noexcept { return end_; }  // of the last record; 0: there was none
  std::uint64_t file_bytes() const noexcept { return file_bytes_; }

 private:
  std::string_view window(std::uint64_t offset, std::uint64_t bytes);
  std::optional<Record> record_at(std::uint64_t offset);
  std::uint64_t next_offset() const noexcept { return end_ == 0 ? sizeof(SegmentHeader) : end_; }

  std::string path_;
  int fd_ = -1;
  std::uint64_t file_bytes_ = 0;
  std::optional<SegmentHeader> header_;
  bool is_foreign_ = false;
  std::uint64_t end_ = 0;
  std::string window_;
  std::uint64_t window_at_ = 0;
};

}  // namespace ims::logic
