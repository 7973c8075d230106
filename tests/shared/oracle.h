// What wire_oracle.cc and payload_oracle.cc share: libprotobuf's verdict as one of our statuses,
// and a collector of the first difference. Single-threaded.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "ims.pb.h"
#include "ims_v1.pb.h"
#include "ims_v2.pb.h"
#include "shared/bytes.h"
#include "shared/command.h"

namespace ims::oracle {

namespace pb = google::protobuf;

// The schema again, every string field declared as bytes: parses what is well-formed but for UTF-8.
class BytesSchema {
 public:
  BytesSchema() {
    for (const pb::FileDescriptor* file :
         {ims::Connect::descriptor()->file(), ims::v1::Command::descriptor()->file(),
          ims::v2::Command::descriptor()->file()}) {
      pb::FileDescriptorProto copy;
      file->CopyTo(&copy);
      for (auto& message : *copy.mutable_message_type()) {
        for (auto& field : *message.mutable_field()) {
          if (field.type() == pb::FieldDescriptorProto::TYPE_STRING) {
            field.set_type(pb::FieldDescriptorProto::TYPE_BYTES);
          }
        }
      }
      pool_.BuildFile(copy);
    }
  }

  std::unique_ptr<pb::Message> make(const std::string& name) {
    const pb::Descriptor* type = pool_.FindMessageTypeByName(name);
    return std::unique_ptr<pb::Message>(factory_.GetPrototype(type)->New());
  }

 private:
  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_{&pool_};
};

inline BytesSchema& bytes_schema() {
  static BytesSchema schema;
  return schema;
}

template <typename Proto>
DecodeStatus parse(ByteView bytes, Proto& out) {
  const auto size = static_cast<int>(bytes.size());
  if (out.ParseFromArray(bytes.data(), size)) return DecodeStatus::kOk;
  static const auto as_bytes_only = bytes_schema().make(Proto::descriptor()->full_name());
  return as_bytes_only->ParseFromArray(bytes.data(), size) ? DecodeStatus::kBadUtf8
                                                           : DecodeStatus::kMalformed;
}

// Collects the first difference.
class Difference {
 public:
  explicit Difference(std::string where) : where_(std::move(where)) {}

  template <typename A, typename B>
  void equal(const char* field, const A& ours, const B& theirs) {
    if (text_.empty() && !(ours == theirs)) text_ = where_ + "." + field + " differs";
  }
  void bytes_equal(const char* field, ByteView ours, const std::string& theirs) {
    equal(field, as_text(ours), std::string_view(theirs));
  }
  bool status(DecodeStatus ours, DecodeStatus theirs) {
    if (text_.empty() && ours != theirs) {
      text_ = where_ + ": status " + std::to_string(static_cast<int>(ours)) + ", expected " +
              std::to_string(static_cast<int>(theirs));
    }
    return text_.empty() && theirs == DecodeStatus::kOk;
  }
  void fail(const std::string& why) {
    if (text_.empty()) text_ = where_ + ": " + why;
  }
  const std::string& text() const { return text_; }

 private:
  std::string where_;
  std::string text_;
};

}  // namespace ims::oracle
