// RocksDB's info log, into ours. Mandatory: with the default one Debian's build (assertions on)
// aborts the process when a log line meets a full disk, and the store cannot be opened on one.
#pragma once

#include <rocksdb/env.h>

#include <cstdarg>

namespace ims::logic {

// Threads  Any. Never writes a file of its own, never fails.
class RocksLogger final : public rocksdb::Logger {
 public:
  RocksLogger();
  using rocksdb::Logger::Logv;
  void Logv(rocksdb::InfoLogLevel level, const char* format, std::va_list arguments) override;
  void Logv(const char* format, std::va_list arguments) override;

 protected:
  rocksdb::Status CloseImpl() override { return rocksdb::Status::OK(); }
};

}  // namespace ims::logic
