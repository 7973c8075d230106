// The steps of opening that the engines on RocksDB share.
//
// Threads  Start-up.
// Errors   Opening throws StoreError.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "logic/commit_floor.h"
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

// Compares what recovery found with what had been durable. Returns the commits that accept_loss
// lets go; throws where some are missing and it is not set.
std::uint64_t check_commit_floor(CommitFloor& floor, std::uint64_t commits, bool accept_loss,
                                 const std::string& directory);

}  // namespace ims::logic
