/* rules/mapping.yaml, as it is, between two symbols. KHIEN_MAPPING is its path, given by meson. */
	.section .rodata
	.balign 16
	.global rule_mapping_default
	.global rule_mapping_default_end
	.type rule_mapping_default, %object
rule_mapping_default:
	.incbin KHIEN_MAPPING
rule_mapping_default_end:
	.byte 0
	.size rule_mapping_default, . - rule_mapping_default
	.section .note.GNU-stack, "", %progbits
