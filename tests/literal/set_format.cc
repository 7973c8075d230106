// ims_set_format DIRECTORY NUMBER: writes another format number into a store that nobody has open,
// below imsd's own code, which refuses to open what it did not write. For faults_test.py.
#include <rocksdb/db.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "logic/sys_keys.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: ims_set_format DIRECTORY NUMBER\n");
    return 2;
  }
  const rocksdb::Options options;
  std::vector<std::string> names;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, argv[1], &names);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, options);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  if (status.ok()) status = rocksdb::DB::Open(options, argv[1], families, &handles, &opened);
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::string number;
  ims::logic::append_big_endian(number, static_cast<std::uint32_t>(std::stoul(argv[2])));
  rocksdb::WriteOptions sync;
  sync.sync = true;
  if (status.ok()) status = db->Put(sync, handles[0], ims::logic::kSysFormat, number);
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  if (status.ok()) return 0;
  std::fprintf(stderr, "ims_set_format: %s\n", status.ToString().c_str());
  return 1;
}
