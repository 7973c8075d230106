// The wrappers around RocksDB's files (fault_files.h).
#include "tests/support/fault_files.h"

#include <unistd.h>

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

}  // namespace

FaultFiles::FaultFiles() : env_(std::make_unique<FaultEnv>(*this)) {}

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

void FaultFiles::lose_power(std::uint64_t seed) {
  const std::lock_guard lock(mutex_);
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
