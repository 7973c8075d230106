// The wrappers around RocksDB's files (fault_files.h).
#include "tests/support/fault_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "shared/prng.h"

namespace ims::testing {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(std::unique_ptr<FSWritableFile>&& file, std::string path, FaultFiles& faults)
      : FSWritableFileOwnerWrapper(std::move(file)), path_(std::move(path)), faults_(faults) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    std::size_t kept = data.size();
    IOStatus fault = faults_.on_append(path_, data.size(), &kept);
    if (kept > 0) {
      IOStatus real = target()->Append(Slice(data.data(), kept), options, debug);
      if (!real.ok()) return real;
      faults_.on_written(path_, kept);
    }
    return fault;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  // The real file is not synced: what a power cut leaves is decided here, and the disk's time
  // saved.
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    IOStatus fault = faults_.on_sync(path_);
    if (fault.ok()) faults_.on_synced(path_);
    return fault;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  const std::string path_;
  FaultFiles& faults_;
};

class UnsyncedDirectory final : public rocksdb::FSDirectory {
 public:
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
};

class FaultFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultFileSystem(FaultFiles& faults)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), faults_(faults) {}

  const char* Name() const override { return "ims.faults"; }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* file, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> real;
    IOStatus status = target()->NewWritableFile(path, options, &real, debug);
    if (!status.ok()) return status;
    faults_.on_open(path, 0);
    *file = std::make_unique<FaultFile>(std::move(real), path, faults_);
    return status;
  }
  IOStatus NewDirectory(const std::string&, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                        IODebugContext*) override {
    *directory = std::make_unique<UnsyncedDirectory>();
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                      IODebugContext* debug) override {
    IOStatus status = target()->RenameFile(from, to, options, debug);
    if (status.ok()) faults_.on_renamed(from, to);
    return status;
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions& options,
                      IODebugContext* debug) override {
    faults_.on_deleted(path);
    return target()->DeleteFile(path, options, debug);
  }

 private:
  FaultFiles& faults_;
};

// Its sleeps are shorter: RocksDB waits a second behind each failure in the background, and closing
// waits for that.
class FaultEnv final : public rocksdb::EnvWrapper {
 public:
  explicit FaultEnv(FaultFiles& faults) : EnvWrapper(rocksdb::Env::Default()) {
    file_system_ = std::make_shared<FaultFileSystem>(faults);
  }
  void SleepForMicroseconds(int micros) override {
    EnvWrapper::SleepForMicroseconds(micros / 100);
  }
};

class FaultSegmentIo final : public logic::SegmentIo {
 public:
  explicit FaultSegmentIo(FaultFiles& faults) : faults_(faults) {}

  logic::StoreStatus write(const std::string& path, int fd, std::span<const iovec> parts,
                           std::uint64_t offset) override {
    std::string bytes;
    for (const iovec& part : parts) {
      bytes.append(static_cast<const char*>(part.iov_base), part.iov_len);
    }
    std::size_t kept = bytes.size();
    const logic::StoreStatus fault = status_of(faults_.on_append(path, bytes.size(), &kept));
    bytes.resize(kept);
    std::string before(kept, '\0');
    const ssize_t got = pread(fd, before.data(), kept, static_cast<off_t>(offset));
    before.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    before.resize(kept, '\0');
    if (pwrite(fd, bytes.data(), kept, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(kept)) {
      return logic::StoreStatus::kIoError;
    }
    faults_.on_overwritten(path, offset, std::move(before), std::move(bytes));
    return fault;
  }
  logic::StoreStatus sync(const std::string& path, int) override {
    const logic::StoreStatus fault = status_of(faults_.on_sync(path));
    if (fault == logic::StoreStatus::kOk) faults_.on_overwrites_synced(path);
    return fault;
  }
  logic::StoreStatus truncate(const std::string& path, int fd, std::uint64_t bytes) override {
    const logic::StoreStatus fault = status_of(faults_.on_truncate(path));
    return fault == logic::StoreStatus::kOk ? SegmentIo::truncate(path, fd, bytes) : fault;
  }

 private:
  static logic::StoreStatus status_of(const IOStatus& status) {
    if (status.ok()) return logic::StoreStatus::kOk;
    return status.IsNoSpace() ? logic::StoreStatus::kNoSpace : logic::StoreStatus::kIoError;
  }

  FaultFiles& faults_;
};

}  // namespace

FaultFiles::FaultFiles()
    : env_(std::make_unique<FaultEnv>(*this)),
      segment_io_(std::make_unique<FaultSegmentIo>(*this)) {}

void FaultFiles::arm(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  armed_by_ = std::this_thread::get_id();
  count_ = 0;
  fired_ = false;
}

bool FaultFiles::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

IOStatus FaultFiles::step(const std::string& path, Op op) {
  if (fault_.nth == 0 || (fault_.op != Op::kAny && fault_.op != op)) return IOStatus::OK();
  if (fault_.caller_only && std::this_thread::get_id() != armed_by_) return IOStatus::OK();
  ++count_;
  if (count_ != fault_.nth && !(fault_.stays && count_ > fault_.nth)) return IOStatus::OK();
  fired_ = true;
  return fault_.error == Error::kNoSpace ? IOStatus::NoSpace("injected: no space left", path)
                                         : IOStatus::IOError("injected: input/output error", path);
}

IOStatus FaultFiles::on_append(const std::string& path, std::size_t bytes, std::size_t* kept) {
  const std::lock_guard lock(mutex_);
  IOStatus status = step(path, Op::kAppend);
  if (!status.ok()) *kept = fault_.tears ? bytes / 2 : 0;
  return status;
}

IOStatus FaultFiles::on_sync(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return step(path, Op::kSync);
}

IOStatus FaultFiles::on_truncate(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return step(path, Op::kTruncate);
}

void FaultFiles::on_open(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[path] = {bytes, bytes};
}

void FaultFiles::on_written(const std::string& path, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  files_[path].bytes += bytes;
}

void FaultFiles::on_synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_[path].synced_bytes = files_[path].bytes;
}

void FaultFiles::on_renamed(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (const auto found = files_.find(from); found != files_.end()) {
    files_[to] = found->second;
    files_.erase(found);
  }
}

void FaultFiles::on_deleted(const std::string& path) {
  const std::lock_guard lock(mutex_);
  files_.erase(path);
}

void FaultFiles::on_overwritten(const std::string& path, std::uint64_t offset, std::string before,
                                std::string after) {
  const std::lock_guard lock(mutex_);
  overwrites_[path].push_back({offset, std::move(before), std::move(after)});
}

void FaultFiles::on_overwrites_synced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  overwrites_.erase(path);
}

void FaultFiles::undo_overwrites(const std::string& path, const std::vector<Overwrite>& writes,
                                 std::uint64_t seed) {
  constexpr std::size_t kSectorBytes = 512;
  const int fd = open(path.c_str(), O_RDWR);
  if (fd < 0) return;  // removed since
  const off_t end = lseek(fd, 0, SEEK_END);
  const auto put = [&](std::uint64_t offset, std::string_view bytes) {
    // What a truncation took stays away.
    const auto room = static_cast<std::uint64_t>(end) - std::min<std::uint64_t>(
                                                            static_cast<std::uint64_t>(end),
                                                            offset);
    bytes = bytes.substr(0, room);
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    static_cast<void>(written);
  };
  for (std::size_t at = writes.size(); at-- > 0;) put(writes[at].offset, writes[at].before);
  Prng prng(seed);
  const std::size_t whole = prng.below(writes.size() + 1);
  for (std::size_t at = 0; at < whole; ++at) put(writes[at].offset, writes[at].after);
  if (whole < writes.size()) {
    const Overwrite& torn = writes[whole];
    for (std::size_t at = 0; at < torn.after.size(); at += kSectorBytes) {
      if (prng.chance(50)) {
        put(torn.offset + at, std::string_view(torn.after).substr(at, kSectorBytes));
      }
    }
  }
  close(fd);
}

void FaultFiles::lose_power(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, writes] : overwrites_) undo_overwrites(path, writes, seed);
  overwrites_.clear();
  Prng prng(seed);
  for (auto& [path, file] : files_) {
    const std::uint64_t unsynced = file.bytes - file.synced_bytes;
    const std::uint64_t kept = file.synced_bytes + prng.below(unsynced + 1);
    if (truncate(path.c_str(), static_cast<off_t>(kept)) == 0) {
      file = {kept, kept};
    }
  }
}

}  // namespace ims::testing
