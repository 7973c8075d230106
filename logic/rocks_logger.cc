// Levels and lengths of RocksDB's lines (rocks_logger.h).
#include "logic/rocks_logger.h"

#include <cstdio>
#include <cstring>

#include "shared/limits.h"
#include "shared/log.h"

namespace ims::logic {

// RocksDB is chatty at its info level: a hundred lines an open. Its warnings are what we want.
RocksLogger::RocksLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}

void RocksLogger::Logv(rocksdb::InfoLogLevel level, const char* format, std::va_list arguments) {
  if (level < GetInfoLogLevel()) return;
  char text[kLogValueBytesMax + 1];
  std::vsnprintf(text, sizeof text, format, arguments);
  // A checkpoint forbids deletions twice over, and warns of itself each time.
  if (std::strstr(text, "File Deletions ") != nullptr) level = rocksdb::InfoLogLevel::INFO_LEVEL;
  if (level >= rocksdb::InfoLogLevel::ERROR_LEVEL && level < rocksdb::InfoLogLevel::HEADER_LEVEL) {
    IMS_LOG(kError, "rocksdb", {{"text", text}});
  } else if (level == rocksdb::InfoLogLevel::WARN_LEVEL) {
    IMS_LOG(kWarn, "rocksdb", {{"text", text}});
  } else {
    IMS_LOG(kDebug, "rocksdb", {{"text", text}});
  }
}

void RocksLogger::Logv(const char* format, std::va_list arguments) {
  Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
}

}  // namespace ims::logic
