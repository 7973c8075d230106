// The counters file, DIR/run/counters: every thread's CounterBlock, mapped, with a header that
// names each cell, so that `imsctl stats` and the tests read a live server from outside.
//
//   offset 0         CounterFileHeader                     (fixed, below)
//   names_offset     cell_count x CounterFileName          the name and kind of cell i
//   stages_offset    stage_count x CounterFileName         the name of histogram i
//   threads_offset   thread_count_max x CounterFileName    the thread of block i; empty: not taken
//   blocks_offset    thread_count_max x block_bytes        page aligned: cells of 8 bytes
//     in a block     cell i at i * 8; histogram i at histograms_offset + i * histogram_buckets * 8
//
// Numbers are in the machine's order; the header's `magic` and `layout` tell another build's file.
// The file is made anew at each start and moved into place: a reader of the old one keeps the old
// one, none sees a mix. Nothing in it is needed after the process; it may be deleted at any time.
//
// Threads: take_block() from the starting thread, before the loops; each block then belongs to one
// Errors:  exceptions (std::runtime_error) with path and reason, at start and in readers only
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/counters.h"
#include "shared/limits.h"

namespace ims {

inline constexpr char kCounterFileMagic[8] = {'I', 'M', 'S', 'C', 'N', 'T', 'R', '\n'};
inline constexpr std::uint32_t kCounterFileLayout = 1;
inline constexpr std::size_t kCounterFileThreadsMax = 160;  // 64 gateways, 64 workers, the others
static_assert(kCounterFileThreadsMax >= kGatewaysMax + kWorkersMax + 8);

struct CounterFileHeader {
  char magic[8];
  std::uint32_t layout;
  std::uint32_t cell_count;
  std::uint32_t stage_count;
  std::uint32_t thread_count_max;
  std::uint32_t histogram_buckets;
  std::uint32_t histograms_offset;  // in a block
  std::uint64_t names_offset;
  std::uint64_t stages_offset;
  std::uint64_t threads_offset;
  std::uint64_t blocks_offset;
  std::uint64_t block_bytes;
  std::uint64_t file_bytes;
  std::uint64_t pid;
  std::int64_t started_wall_ms;
};

struct CounterFileName {
  char name[79];       // NUL-terminated
  std::uint8_t kind;   // CounterKind
};
static_assert(sizeof(CounterFileName) == 80);

// A mapping of a whole file, closed with it.
class FileMapping {
 public:
  FileMapping() = default;
  FileMapping(std::byte* begin, std::size_t size) noexcept : begin_(begin), size_(size) {}
  FileMapping(FileMapping&& other) noexcept
      : begin_(std::exchange(other.begin_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  FileMapping& operator=(FileMapping&& other) noexcept {
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~FileMapping();

  std::byte* begin() const noexcept { return begin_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

// The server's side.
class CounterFileWriter {
 public:
  // Makes the file (its folder must exist) in place of an older one, with room for `thread_count`
  // blocks of about 144 KiB. All of it is allocated here: on a sparse file a full disk would end
  // the process with SIGBUS at some later count. Throws; a server may then count on the heap.
  static CounterFileWriter create(const std::filesystem::path& path, std::size_t thread_count,
                                  std::int64_t wall_ms);

  // The next free block, under the thread's name ("gw0"). Throws past `thread_count`.
  // The block's cells live as long as this object.
  CounterBlock take_block(std::string_view thread);

 private:
  FileMapping mapping_;
  std::size_t taken_ = 0;
};

// The outside: a live view of a server's file.
class CounterFile {
 public:
  // Throws when the file is missing, cut short or of another layout.
  static CounterFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const;    // of the cells, in the file's order
  std::vector<std::string> threads() const;  // of the blocks taken so far
  CounterKind kind(std::string_view name) const;

  // Over all threads, now: the sum, of a peak the highest. A name that the file does not have:
  // throws.
  std::uint64_t total(std::string_view name) const;
  // Of one thread; an unknown thread: throws.
  std::uint64_t get(std::string_view name, std::string_view thread) const;
  // A stage's buckets, added over all threads.
  std::vector<std::uint64_t> histogram(std::string_view stage) const;

  std::uint64_t pid() const noexcept;
  std::int64_t started_wall_ms() const noexcept;

 private:
  const CounterFileHeader& header() const noexcept;
  std::string_view name_at(std::uint64_t offset, std::size_t index) const noexcept;
  std::size_t cell_index(std::string_view name) const;
  std::uint64_t cell(std::size_t block, std::size_t index) const noexcept;

  FileMapping mapping_;
};

}  // namespace ims
