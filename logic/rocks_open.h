// The steps of opening that the engines on RocksDB share, and of its upkeep.
//
// Threads  Start-up; compact_rocks(): the one that writes.
// Errors   Opening throws StoreError.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "logic/commit_floor.h"
#include "logic/store.h"
#include "logic/store_options.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
}  // namespace rocksdb

namespace ims::logic {

struct RocksOptions;

// Made where it is missing, and usable.
const std::string& make_store_directory(const std::string& directory);

// Drops a table of earlier formats.
std::unique_ptr<rocksdb::DB> open_rocks(const std::string& directory, const RocksOptions& options,
                                        std::vector<rocksdb::ColumnFamilyHandle*>& handles);

// A copy, to be read; nothing of it is locked or written.
std::unique_ptr<rocksdb::DB> open_rocks_copy(const std::string& directory, RocksOptions& options,
                                             std::vector<rocksdb::ColumnFamilyHandle*>& handles);
void check_copy_format(Store& copy, const std::string& directory);

// The number under kSysFormat. Throws where it is none, or of no format that this imsd reads.
std::uint32_t read_store_format(const std::string& value, const std::string& directory);
// Throws where the table holds something: whose store it is cannot be told then.
void check_empty(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* table,
                 const std::string& directory);

// Compares what recovery found with what had been durable. Returns the commits that accept_loss
// lets go; throws where some are missing and it is not set.
std::uint64_t check_commit_floor(CommitFloor& floor, std::uint64_t commits, bool accept_loss,
                                 const std::string& directory);
// Where commits that were durable are gone: throws, or says that they are let go. `known_by`: what
// tells of them.
void lose_commits(const std::string& directory, std::uint64_t commits, std::uint64_t lost,
                  const std::string& known_by, bool accept_loss);

StoreStatus compact_rocks(rocksdb::DB& database,
                          std::span<rocksdb::ColumnFamilyHandle* const> tables);

}  // namespace ims::logic
