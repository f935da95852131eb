# SPDX-License-Identifier: MIT
# table.awk - from raw.tsv (round, system, row, unit, value) to a table of
# medians; the first system's is set in relation to each other one's.
BEGIN {
	FS = "\t"
	n_sys = split(systems, sys, " ")
}

{
	if (!($3 in unit)) {
		rows[++n_rows] = $3
		unit[$3] = $4
	}
	if ($1 > rounds)
		rounds = $1
	value[$1, $2, $3] = $5
}

function median(list, n,    i, j, t)
{
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
			t = list[j]; list[j] = list[j - 1]; list[j - 1] = t
		}
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function of_system(s, row,    r, n, list, v)
{
	for (r = 1; r <= rounds; r++) {
		v = value[r, s, row]
		if (v != "" && v != "-")
			list[++n] = v + 0
	}
	return n ? sprintf("%.0f", median(list, n)) : "-"
}

function ratio(s, row,    r, n, list, a, b)
{
	for (r = 1; r <= rounds; r++) {
		a = value[r, sys[1], row]
		b = value[r, s, row]
		if (a != "" && a != "-" && b != "" && b != "-" && b > 0)
			list[++n] = a / b
	}
	return n ? sprintf("%.2f", median(list, n)) : "-"
}

function line(first, second,    i, s)
{
	if (md) {
		s = "| " first " | " second " |"
		for (i = 1; i <= n_cells; i++)
			s = s " " cells[i] " |"
	} else {
		s = sprintf("%-34s %-8s", first, second)
		for (i = 1; i <= n_cells; i++)
			s = s sprintf(" %12s", cells[i])
	}
	print s
}

END {
	n_cells = 0
	for (i = 1; i <= n_sys; i++)
		cells[++n_cells] = sys[i]
	for (i = 2; i <= n_sys; i++)
		cells[++n_cells] = "to " sys[i]
	line("", "unit")
	if (md) {
		printf "|---|---|"
		for (i = 1; i <= n_cells; i++)
			printf "---:|"
		print ""
	}
	for (k = 1; k <= n_rows; k++) {
		n_cells = 0
		for (i = 1; i <= n_sys; i++)
			cells[++n_cells] = of_system(sys[i], rows[k])
		for (i = 2; i <= n_sys; i++)
			cells[++n_cells] = ratio(sys[i], rows[k])
		line(rows[k], unit[rows[k]])
	}
}
