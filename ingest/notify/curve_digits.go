package notify

// digits are the characters of the axes, five pixels wide and seven high, a bit a
// pixel, the leftmost the highest.
func digits() map[rune][7]uint8 {
	return map[rune][7]uint8{
		'0': {0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110},
		'1': {0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110},
		'2': {0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111},
		'3': {0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110},
		'4': {0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010},
		'5': {0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110},
		'6': {0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110},
		'7': {0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000},
		'8': {0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110},
		'9': {0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100},
		'-': {0, 0, 0, 0b11111, 0, 0, 0},
		'+': {0, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0},
		'.': {0, 0, 0, 0, 0, 0b01100, 0b01100},
		':': {0, 0b01100, 0b01100, 0, 0b01100, 0b01100, 0},
		'e': {0, 0, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110},
	}
}

// write puts a text's upper left corner at x, y.
func (p *plot) write(x, y int, text string, ink uint8) {
	all := digits()
	for i, r := range text {
		for row, bits := range all[r] {
			for column := range 5 {
				if bits&(1<<(4-column)) != 0 {
					p.img.SetColorIndex(x+6*i+column, y+row, ink)
				}
			}
		}
	}
}
