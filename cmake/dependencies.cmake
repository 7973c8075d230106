# Every library of the project. All of them are Debian 12 packages; deploy/packages.txt names them and
# DECISIONS.md says why each is here.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(doctest REQUIRED)
find_package(fmt REQUIRED)
find_package(RocksDB REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Boost 1.81 REQUIRED)         # unordered_flat_map, header only
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(TOMLPLUSPLUS REQUIRED IMPORTED_TARGET tomlplusplus)
# Its archive: as a shared library it asks for a thread's variable by a function call at each
# comparison of keys (DECISIONS.md). Under a sanitizer the shared one, which a suppression can name.
if(IMS_SANITIZE)
  set(IMS_ROCKSDB RocksDB::rocksdb-shared)
else()
  set(IMS_ROCKSDB RocksDB::rocksdb)
endif()
find_path(PROTOZERO_INCLUDE protozero/pbf_reader.hpp REQUIRED)
find_path(XXHASH_INCLUDE xxhash.h REQUIRED)
find_path(SDT_INCLUDE sys/sdt.h REQUIRED PATH_SUFFIXES x86_64-linux-gnu aarch64-linux-gnu)
