// RocksDB's files on a disk that fails and loses power when told: every write goes to the real file
// system below, and what was not synced can be taken away again.
//
//   arm({op, nth, error})   the nth append, sync or truncation (or any of them) from now fails
//   lose_power()            cuts every file that was written back to its synced length, plus a torn
//                           piece of what came after it, by seed
//
// Threads  Any (RocksDB's own included); arm() and lose_power() from the test's.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "logic/segment_io.h"

namespace ims::testing {

class FaultFiles {
 public:
  enum class Op : std::uint8_t { kAppend, kSync, kTruncate, kAny };
  enum class Error : std::uint8_t { kIo, kNoSpace };

  struct Fault {
    Op op = Op::kAny;
    std::uint64_t nth = 0;  // 0: none
    Error error = Error::kIo;
    bool stays = false;     // every later one fails too, until armed again
    bool tears = false;     // half of the failed append reaches the file
    bool caller_only = false;  // only what the arming thread does fails, not RocksDB's background
  };

  FaultFiles();

  rocksdb::Env* env() noexcept { return env_.get(); }
  // The segment log's files, whose writes overwrite: a power cut undoes those that were not synced,
  // from some one on, and leaves sectors of that one.
  logic::SegmentIo* segment_io() noexcept { return segment_io_.get(); }

  void arm(Fault fault);
  bool fired() const;

  // The database must be closed (or leaked) by now.
  void lose_power(std::uint64_t seed);

  // ---- for the files ----
  rocksdb::IOStatus on_append(const std::string& path, std::size_t bytes, std::size_t* kept);
  rocksdb::IOStatus on_sync(const std::string& path);
  rocksdb::IOStatus on_truncate(const std::string& path);
  void on_open(const std::string& path, std::uint64_t bytes);
  void on_written(const std::string& path, std::size_t bytes);
  void on_synced(const std::string& path);
  void on_renamed(const std::string& from, const std::string& to);
  void on_deleted(const std::string& path);
  void on_overwritten(const std::string& path, std::uint64_t offset, std::string before,
                      std::string after);
  void on_overwrites_synced(const std::string& path);

 private:
  struct Overwrite {
    std::uint64_t offset = 0;
    std::string before;
    std::string after;
  };

  void undo_overwrites(const std::string& path, const std::vector<Overwrite>& writes,
                       std::uint64_t seed);
  struct File {
    std::uint64_t bytes = 0;
    std::uint64_t synced_bytes = 0;
  };

  rocksdb::IOStatus step(const std::string& path, Op op);

  mutable std::mutex mutex_;
  Fault fault_;
  std::thread::id armed_by_;
  std::uint64_t count_ = 0;
  bool fired_ = false;
  std::map<std::string, File> files_;
  std::map<std::string, std::vector<Overwrite>> overwrites_;  // not synced
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<logic::SegmentIo> segment_io_;
};

}  // namespace ims::testing
