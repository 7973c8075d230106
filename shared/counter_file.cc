// The counters file: made by the server, read by anyone.
#include "shared/counter_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <system_error>

namespace ims {
namespace {

constexpr std::size_t kPageBytes = 4096;

constexpr std::int64_t kWallMsMax = 253'402'300'799'999;  // the end of the year 9999

constexpr std::size_t round_up_page(std::size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(std::string_view what, const std::filesystem::path& path) {
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("{} the counters file {}", what, path.string()));
}

CounterFileHeader make_header(CounterFileWriter::Size size, std::int64_t wall_ms) {
  CounterFileHeader header{};
  std::memcpy(header.magic, kCounterFileMagic, sizeof header.magic);
  header.layout = kCounterFileLayout;
  header.cell_count = static_cast<std::uint32_t>(kCounterCount);
  header.stage_count = static_cast<std::uint32_t>(kStageCount);
  header.trace_kind_count = static_cast<std::uint32_t>(kTraceKindCount);
  header.thread_count_max = static_cast<std::uint32_t>(size.threads);
  header.gateway_count = static_cast<std::uint32_t>(size.gateways);
  header.histogram_buckets = kHistogramBuckets;
  header.slow_count = static_cast<std::uint32_t>(kSlowTracesMax);
  header.names_offset = round_up_page(sizeof header);
  header.stages_offset = header.names_offset + kCounterCount * sizeof(CounterFileName);
  header.kinds_offset = header.stages_offset + kStageCount * sizeof(CounterFileName);
  header.threads_offset = header.kinds_offset + kTraceKindCount * sizeof(CounterFileName);
  header.blocks_offset =
      round_up_page(header.threads_offset + size.threads * sizeof(CounterFileName));
  header.block_bytes = round_up_page(kBlockCells * sizeof(std::uint64_t));
  header.regions_offset = header.blocks_offset + size.threads * header.block_bytes;
  header.region_bytes = sizeof(TraceRegion);
  header.slow_offset = offsetof(TraceRegion, slow);
  header.slots_offset = offsetof(TraceRegion, slots);
  header.file_bytes = header.regions_offset + size.gateways * header.region_bytes;
  header.pid = static_cast<std::uint64_t>(getpid());
  header.started_wall_ms = wall_ms;
  return header;
}

void put_name(std::byte* at, std::string_view name, CounterKind kind) {
  CounterFileName entry{};
  IMS_ASSERT(name.size() < sizeof entry.name);
  std::memcpy(entry.name, name.data(), name.size());
  entry.kind = static_cast<std::uint8_t>(kind);
  std::memcpy(at, &entry, sizeof entry);
}

// True if `count` items of `bytes` from `offset` on lie within the file.
bool fits(std::uint64_t offset, std::uint64_t count, std::uint64_t bytes,
          std::uint64_t file_bytes) {
  return offset <= file_bytes && count <= file_bytes &&
         (bytes == 0 || count <= (file_bytes - offset) / bytes);
}

bool is_valid(const CounterFileHeader& header, std::uint64_t file_bytes) {
  if (std::memcmp(header.magic, kCounterFileMagic, sizeof header.magic) != 0) return false;
  if (header.layout != kCounterFileLayout || header.file_bytes != file_bytes) return false;
  const std::uint64_t cells = std::uint64_t{header.trace_kind_count} * header.stage_count;
  if (cells > file_bytes) return false;
  // SlowTrace and histogram.h have so many of them.
  if (header.stage_count != kStageCount || header.histogram_buckets != kHistogramBuckets ||
      header.trace_kind_count == 0) {
    return false;
  }
  // A process to ask for: kill() takes 0 and less for other things.
  if (header.pid == 0 || header.pid > std::numeric_limits<std::int32_t>::max()) return false;
  if (header.started_wall_ms < 0 || header.started_wall_ms > kWallMsMax) return false;
  return fits(header.names_offset, header.cell_count, sizeof(CounterFileName), file_bytes) &&
         fits(header.stages_offset, header.stage_count, sizeof(CounterFileName), file_bytes) &&
         fits(header.kinds_offset, header.trace_kind_count, sizeof(CounterFileName), file_bytes) &&
         fits(header.threads_offset, header.thread_count_max, sizeof(CounterFileName),
              file_bytes) &&
         fits(header.blocks_offset, header.thread_count_max, header.block_bytes, file_bytes) &&
         header.blocks_offset % sizeof(std::uint64_t) == 0 &&
         header.block_bytes % sizeof(std::uint64_t) == 0 &&
         header.cell_count <= header.block_bytes / sizeof(std::uint64_t) &&
         fits(header.regions_offset, header.gateway_count, header.region_bytes, file_bytes) &&
         header.regions_offset % sizeof(std::uint64_t) == 0 &&
         header.region_bytes % sizeof(std::uint64_t) == 0 &&
         fits(0, cells, (1 + std::uint64_t{header.histogram_buckets}) * sizeof(std::uint64_t),
              header.region_bytes) &&
         header.slow_offset % sizeof(std::uint64_t) == 0 &&
         fits(header.slow_offset, header.slow_count, sizeof(SlowTrace), header.region_bytes);
}

// What is printed as it stands: visible ASCII, and zeros up to the end.
bool is_name(const CounterFileName& entry) {
  const auto* const last = std::end(entry.name);
  const auto* const end = std::find(std::begin(entry.name), last, '\0');
  return end != std::begin(entry.name) && end != last &&
         std::all_of(std::begin(entry.name), end, [](char c) { return c > ' ' && c < 127; }) &&
         std::all_of(end, last, [](char c) { return c == '\0'; });
}

bool is_free(const CounterFileName& entry) {
  return std::ranges::all_of(entry.name, [](char c) { return c == '\0'; });
}

// Tables that lie within the file. Threads are taken from the first on.
bool has_names(const std::byte* begin, const CounterFileHeader& header) {
  const auto table = [&](std::uint64_t offset, std::uint32_t count) {
    return std::span(reinterpret_cast<const CounterFileName*>(begin + offset), count);
  };
  const auto is_known_cell = [](const CounterFileName& entry) {
    return is_name(entry) && entry.kind <= static_cast<std::uint8_t>(CounterKind::kPeak);
  };
  const auto threads = table(header.threads_offset, header.thread_count_max);
  const auto taken_end = std::ranges::find_if(threads, is_free);
  return std::ranges::all_of(table(header.names_offset, header.cell_count), is_known_cell) &&
         std::ranges::all_of(table(header.stages_offset, header.stage_count), is_name) &&
         std::ranges::all_of(table(header.kinds_offset, header.trace_kind_count), is_name) &&
         std::all_of(threads.begin(), taken_end, is_name) &&
         std::all_of(taken_end, threads.end(), is_free);
}

[[noreturn]] void fail_damaged(std::string_view what) {
  throw std::runtime_error(fmt::format("{} is damaged or of another version", what));
}

// Pairs with the writer's relaxed store: a whole value, of some recent moment. An atomic load of 8
// aligned bytes only reads, so a read-only mapping serves.
std::uint64_t read_cell(std::byte* at) {
  return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at))
      .load(std::memory_order_relaxed);
}

}  // namespace

FileMapping::~FileMapping() {
  if (begin_ != nullptr) munmap(begin_, size_);
}

// ---- the server's side ----

CounterFileWriter CounterFileWriter::create(const std::filesystem::path& path,
                                            Size size, std::int64_t wall_ms,
                                            std::uint64_t trace_sample) {
  IMS_ASSERT(size.threads >= 1 && size.threads <= kCounterFileThreadsMax);
  IMS_ASSERT(size.gateways <= kGatewaysMax);
  CounterFileHeader header = make_header(size, wall_ms);
  header.trace_sample = trace_sample;
  std::filesystem::path fresh = path;
  fresh += ".new";
  const Fd fd(::open(fresh.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (fd.get() < 0) fail("cannot create", fresh);
  errno = posix_fallocate(fd.get(), 0, static_cast<off_t>(header.file_bytes));
  if (errno != 0) fail("cannot allocate", fresh);
  void* const begin =
      mmap(nullptr, header.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (begin == MAP_FAILED) fail("cannot map", fresh);

  CounterFileWriter writer;
  writer.mapping_ = FileMapping(static_cast<std::byte*>(begin), header.file_bytes);
  std::byte* const base = writer.mapping_.begin();
  std::memcpy(base, &header, sizeof header);
  for (std::size_t i = 0; i < kCounterCount; ++i) {
    put_name(base + header.names_offset + i * sizeof(CounterFileName), kCounterEntries[i].name,
             kCounterEntries[i].kind);
  }
  for (std::size_t i = 0; i < kStageCount; ++i) {
    put_name(base + header.stages_offset + i * sizeof(CounterFileName), kStageNames[i],
             CounterKind::kCounter);
  }
  for (std::size_t i = 0; i < kTraceKindCount; ++i) {
    put_name(base + header.kinds_offset + i * sizeof(CounterFileName), kTraceKindNames[i],
             CounterKind::kCounter);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) fail("cannot move into place", path);
  return writer;
}

CounterBlock CounterFileWriter::take_block(std::string_view thread) {
  CounterFileHeader header;
  std::memcpy(&header, mapping_.begin(), sizeof header);
  if (taken_ == header.thread_count_max) {
    throw std::runtime_error(
        fmt::format("the counters file has no block left for thread {}", thread));
  }
  std::byte* const block = mapping_.begin() + header.blocks_offset + taken_ * header.block_bytes;
  put_name(mapping_.begin() + header.threads_offset + taken_ * sizeof(CounterFileName), thread,
           CounterKind::kCounter);
  ++taken_;
  return CounterBlock({reinterpret_cast<std::uint64_t*>(block), kBlockCells});
}

std::span<TraceRegion> CounterFileWriter::trace_regions() const noexcept {
  CounterFileHeader header;
  std::memcpy(&header, mapping_.begin(), sizeof header);
  return {reinterpret_cast<TraceRegion*>(mapping_.begin() + header.regions_offset),
          header.gateway_count};
}

// ---- the outside ----

CounterFile CounterFile::open(const std::filesystem::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) fail("cannot open", path);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) fail("cannot stat", path);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < sizeof(CounterFileHeader)) {
    throw std::runtime_error(fmt::format("the counters file {} is cut short", path.string()));
  }
  void* const begin = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (begin == MAP_FAILED) fail("cannot map", path);

  CounterFile file;
  file.mapping_ = FileMapping(static_cast<std::byte*>(begin), size);
  if (!is_valid(file.header(), size) || !has_names(file.mapping_.begin(), file.header())) {
    fail_damaged(fmt::format("the counters file {}", path.string()));
  }
  return file;
}

const CounterFileHeader& CounterFile::header() const noexcept {
  return *reinterpret_cast<const CounterFileHeader*>(mapping_.begin());
}

std::string_view CounterFile::name_at(std::uint64_t offset, std::size_t index) const noexcept {
  const auto* const entry =
      reinterpret_cast<const CounterFileName*>(mapping_.begin() + offset) + index;
  return {entry->name, strnlen(entry->name, sizeof entry->name)};
}

std::vector<std::string> CounterFile::names_at(std::uint64_t offset, std::size_t count) const {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) list.emplace_back(name_at(offset, i));
  return list;
}

std::vector<std::string> CounterFile::names() const {
  return names_at(header().names_offset, header().cell_count);
}

std::vector<std::string> CounterFile::stages() const {
  return names_at(header().stages_offset, header().stage_count);
}

std::vector<std::string> CounterFile::trace_kinds() const {
  return names_at(header().kinds_offset, header().trace_kind_count);
}

std::vector<std::string> CounterFile::threads() const {
  std::vector<std::string> list;
  for (std::size_t i = 0; i < header().thread_count_max; ++i) {
    const std::string_view name = name_at(header().threads_offset, i);
    if (name.empty()) break;
    list.emplace_back(name);
  }
  return list;
}

std::size_t CounterFile::cell_index(std::string_view name) const {
  for (std::size_t i = 0; i < header().cell_count; ++i) {
    if (name_at(header().names_offset, i) == name) return i;
  }
  throw std::runtime_error(fmt::format("the counters file has no cell {}", name));
}

CounterKind CounterFile::kind(std::string_view name) const {
  const auto* const entries =
      reinterpret_cast<const CounterFileName*>(mapping_.begin() + header().names_offset);
  return static_cast<CounterKind>(entries[cell_index(name)].kind);
}

std::uint64_t CounterFile::cell(std::size_t block, std::size_t index) const noexcept {
  return read_cell(mapping_.begin() + header().blocks_offset + block * header().block_bytes +
                   index * sizeof(std::uint64_t));
}

std::uint64_t CounterFile::total(std::string_view name) const {
  const std::size_t index = cell_index(name);
  const bool peak = kind(name) == CounterKind::kPeak;
  const std::size_t blocks = threads().size();
  std::uint64_t total = 0;
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::uint64_t value = cell(block, index);
    total = peak ? std::max(total, value) : total + value;
  }
  return total;
}

std::uint64_t CounterFile::get(std::string_view name, std::string_view thread) const {
  const auto list = threads();
  const auto found = std::ranges::find(list, thread);
  if (found == list.end()) {
    throw std::runtime_error(fmt::format("the counters file has no thread {}", thread));
  }
  return cell(static_cast<std::size_t>(found - list.begin()), cell_index(name));
}

std::byte* CounterFile::region(std::size_t gateway) const noexcept {
  return mapping_.begin() + header().regions_offset + gateway * header().region_bytes;
}

CounterFile::StageTimes CounterFile::stage_times(std::string_view kind,
                                                 std::string_view stage) const {
  const auto index_of = [](const std::vector<std::string>& list, std::string_view name) {
    const auto found = std::ranges::find(list, name);
    if (found == list.end()) {
      throw std::runtime_error(fmt::format("the counters file has no stage or kind {}", name));
    }
    return static_cast<std::size_t>(found - list.begin());
  };
  const std::size_t index =
      index_of(trace_kinds(), kind) * header().stage_count + index_of(stages(), stage);
  const std::size_t buckets = header().histogram_buckets;
  const std::size_t first =
      std::size_t{header().trace_kind_count} * header().stage_count + index * buckets;
  StageTimes times;
  times.histogram.resize(buckets);
  for (std::size_t gateway = 0; gateway < header().gateway_count; ++gateway) {
    std::byte* const cells = region(gateway);
    times.sum_ns += read_cell(cells + index * sizeof(std::uint64_t));
    for (std::size_t i = 0; i < buckets; ++i) {
      times.histogram[i] += read_cell(cells + (first + i) * sizeof(std::uint64_t));
    }
  }
  return times;
}

std::vector<SlowTrace> CounterFile::slow_traces() const {
  std::vector<SlowTrace> list;
  for (std::size_t gateway = 0; gateway < header().gateway_count; ++gateway) {
    const auto* const entries =
        reinterpret_cast<const SlowTrace*>(region(gateway) + header().slow_offset);
    for (std::size_t i = 0; i < header().slow_count; ++i) {
      const auto trace = SlowTable::read(entries[i]);
      if (!trace) continue;
      if (trace->kind >= header().trace_kind_count ||
          trace->ended_wall_ms > static_cast<std::uint64_t>(kWallMsMax)) {
        fail_damaged("a slow message in the counters file");
      }
      list.push_back(*trace);
    }
  }
  std::ranges::sort(list, std::ranges::greater{}, &SlowTrace::total_ns);
  return list;
}

std::uint64_t CounterFile::pid() const noexcept { return header().pid; }
std::int64_t CounterFile::started_wall_ms() const noexcept { return header().started_wall_ms; }
std::uint64_t CounterFile::trace_sample() const noexcept { return header().trace_sample; }

}  // namespace ims
