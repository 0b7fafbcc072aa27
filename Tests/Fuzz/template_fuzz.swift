// libFuzzer's entry for chat templates: any text gives a prompt or an error of one line, within the limits.

import ApusGGUF
import ApusJSON
import ApusTemplate

/// The bytes are a template, which is rendered for a conversation and for nothing.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let source = String(decoding: UnsafeBufferPointer(start: data, count: count), as: UTF8.self)
    do throws(ApusError) {
        let template = try ChatTemplate(source: source)
        for arguments in [arguments, [:]] {
            let first = result(template, arguments)
            precondition(first == result(template, arguments), "two different prompts")
        }
    } catch {
        check(error)
    }
    return 0
}

private let limits = TemplateLimits(steps: 50_000, memoryBytes: 4 << 20, outputBytes: 1 << 19, depth: 150)

private func result(_ template: ChatTemplate, _ arguments: JSONValue) -> String? {
    do throws(ApusError) {
        let prompt = try template.render(arguments, limits: limits, time: 1_772_636_767)
        precondition(prompt.utf8.count <= limits.outputBytes, "more output than the limit")
        return prompt
    } catch {
        check(error)
        return nil
    }
}

private func check(_ error: ApusError) {
    precondition(!error.message.isEmpty && !error.message.contains("\n"), "an error of other than one line")
}

private let arguments: JSONValue = [
    "messages": [
        ["role": "system", "content": " é\n🦙 "],
        ["role": "user", "content": [["type": "text", "text": "a b"], ["type": "image"]]],
        [
            "role": "assistant", "content": nil,
            "tool_calls": [["function": ["name": "f", "arguments": ["x": 1, "y": [2.5, true, nil]]]]],
        ],
    ],
    "tools": [
        ["type": "function", "function": ["name": "f", "parameters": ["properties": ["x": ["type": "integer"]]]]]
    ],
    "documents": nil, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
]
