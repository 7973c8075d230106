// The counters file, DIR/run/counters: every thread's CounterBlock and every gateway's TraceRegion,
// mapped, with a header that names each cell, so that imsctl (stats, top, latency, slow) and the
// tests read a live server from outside.
//
//   offset 0         CounterFileHeader                     (fixed, below)
//   names_offset     cell_count x CounterFileName          the name and kind of cell i
//   stages_offset    stage_count x CounterFileName         the name of stage i
//   kinds_offset     trace_kind_count x CounterFileName    the name of kind i of traced messages
//   threads_offset   thread_count_max x CounterFileName    the thread of block i; empty: not taken
//   blocks_offset    thread_count_max x block_bytes        page aligned: cell i at i * 8
//   regions_offset   gateway_count x region_bytes          page aligned: of each gateway
//     in a region    u64 sum_ns[kind][stage]               at 0
//                    u64 histogram[kind][stage][histogram_buckets]    behind it (histogram.h)
//                    SlowTrace[slow_count]                 at slow_offset (slow_table.h)
//                    TraceSlot[]                           at slots_offset: messages under way, the
//                                                          server's own (trace.h)
//
// Numbers are in the machine's order; the header's `magic` and `layout` tell another build's file.
// The file is made anew at each start and moved into place: a reader of the old one keeps the old
// one, none sees a mix. Nothing in it is needed after the process; it may be deleted at any time.
//
// Threads: take_block() from the starting thread, before the loops; each block then belongs to one,
//          each region to its gateway's thread, but for the slots (trace.h)
// Errors:  exceptions (std::runtime_error) with path and reason, at start and in readers only
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shared/counters.h"
#include "shared/limits.h"
#include "shared/trace.h"

namespace ims {

inline constexpr char kCounterFileMagic[8] = {'I', 'M', 'S', 'C', 'N', 'T', 'R', '\n'};
inline constexpr std::uint32_t kCounterFileLayout = 2;
inline constexpr std::size_t kCounterFileThreadsMax = 160;  // 64 gateways, 64 workers, the others
static_assert(kCounterFileThreadsMax >= kGatewaysMax + kWorkersMax + 8);

struct CounterFileHeader {
  char magic[8];
  std::uint32_t layout;
  std::uint32_t cell_count;
  std::uint32_t stage_count;
  std::uint32_t trace_kind_count;
  std::uint32_t thread_count_max;
  std::uint32_t gateway_count;
  std::uint32_t histogram_buckets;
  std::uint32_t slow_count;
  std::uint64_t names_offset;
  std::uint64_t stages_offset;
  std::uint64_t kinds_offset;
  std::uint64_t threads_offset;
  std::uint64_t blocks_offset;
  std::uint64_t block_bytes;
  std::uint64_t regions_offset;
  std::uint64_t region_bytes;
  std::uint64_t slow_offset;   // in a region
  std::uint64_t slots_offset;  // likewise
  std::uint64_t file_bytes;
  std::uint64_t pid;
  std::int64_t started_wall_ms;
  std::uint64_t trace_sample;  // one message of so many is followed; 0: none
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
  struct Size {
    std::size_t threads = 0;
    std::size_t gateways = 0;
  };
  // Makes the file (its folder must exist) in place of an older one: 4 KiB a thread, 1.2 MiB a
  // gateway. All of it is allocated here: on a sparse file a full disk would end the process with
  // SIGBUS at some later count. Throws; a server may then count on the heap.
  static CounterFileWriter create(const std::filesystem::path& path, Size size,
                                  std::int64_t wall_ms, std::uint64_t trace_sample = 0);

  // The next free block, under the thread's name ("gw0"). Throws past `threads`.
  // The block's cells live as long as this object.
  CounterBlock take_block(std::string_view thread);
  // By gateway; likewise.
  std::span<TraceRegion> trace_regions() const noexcept;

 private:
  FileMapping mapping_;
  std::size_t taken_ = 0;
};

// The outside: a live view of a server's file.
class CounterFile {
 public:
  // Throws when the file is missing, cut short, of another layout, or its tables are not in it or
  // have no names.
  static CounterFile open(const std::filesystem::path& path);

  std::vector<std::string> names() const;    // of the cells, in the file's order
  std::vector<std::string> threads() const;  // of the blocks taken so far
  CounterKind kind(std::string_view name) const;

  // Over all threads, now: the sum, of a peak the highest. A name that the file does not have:
  // throws.
  std::uint64_t total(std::string_view name) const;
  // Of one thread; an unknown thread: throws.
  std::uint64_t get(std::string_view name, std::string_view thread) const;

  std::vector<std::string> stages() const;       // in the file's order
  std::vector<std::string> trace_kinds() const;
  // Of messages of that kind, over all gateways. An unknown name: throws.
  struct StageTimes {
    std::uint64_t sum_ns = 0;
    std::vector<std::uint64_t> histogram;  // messages, by histogram_bucket() of nanoseconds
  };
  StageTimes stage_times(std::string_view kind, std::string_view stage) const;
  // Of all gateways, the slowest first; each of a kind that trace_kinds() has. Throws where what
  // stands there is none.
  std::vector<SlowTrace> slow_traces() const;

  std::uint64_t pid() const noexcept;
  std::int64_t started_wall_ms() const noexcept;
  std::uint64_t trace_sample() const noexcept;

 private:
  const CounterFileHeader& header() const noexcept;
  std::string_view name_at(std::uint64_t offset, std::size_t index) const noexcept;
  std::vector<std::string> names_at(std::uint64_t offset, std::size_t count) const;
  std::byte* region(std::size_t gateway) const noexcept;
  std::size_t cell_index(std::string_view name) const;
  std::uint64_t cell(std::size_t block, std::size_t index) const noexcept;

  FileMapping mapping_;
};

}  // namespace ims
