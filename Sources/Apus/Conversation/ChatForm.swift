// Forms of chat for models whose file has no template: a registry by name and by what the vocabulary shows.

import ApusTokenizer

/// A form in which models were trained to converse.
struct ChatForm: Sendable {
    /// The name by which it can be asked for.
    let name: String
    /// Texts that are tokens of their own in the vocabulary of a model that knows this form.
    let marks: [String]
    /// The template.
    let source: String

    /// Every form; where a vocabulary shows several, the first counts.
    static let all: [ChatForm] = [chatML, gemma, llama3, phi3]

    /// Whether a vocabulary shows this form.
    func fits(_ tokenizer: any Tokenizer) -> Bool {
        marks.allSatisfy { tokenizer.encode($0, addSpecial: false, parseSpecial: true).count == 1 }
    }

    private static let chatML = ChatForm(
        name: "chatml", marks: ["<|im_start|>", "<|im_end|>"],
        source: #"""
            {%- for message in messages -%}
            {{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif -%}
            """#)

    /// Gemma has no turn of a system's: its text begins the first one of the user's.
    private static let gemma = ChatForm(
        name: "gemma", marks: ["<start_of_turn>", "<end_of_turn>"],
        source: #"""
            {{- bos_token -}}
            {%- set state = namespace(before='') -%}
            {%- for message in messages -%}
            {%- if message.role == 'system' -%}
            {%- set state.before = message.content | trim + '\n\n' -%}
            {%- else -%}
            {{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + state.before }}
            {{- message.content | trim + '<end_of_turn>\n' -}}
            {%- set state.before = '' -%}
            {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif -%}
            """#)

    private static let llama3 = ChatForm(
        name: "llama3", marks: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        source: #"""
            {{- bos_token -}}
            {%- for message in messages -%}
            {{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif -%}
            """#)

    private static let phi3 = ChatForm(
        name: "phi3", marks: ["<|user|>", "<|assistant|>", "<|end|>"],
        source: #"""
            {%- for message in messages -%}
            {{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif -%}
            """#)
}
