package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cy"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/ee"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fi"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/hu"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/is"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/ke"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lu"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mt"
	"github.com/rickar/cal/v2/mw"
	"github.com/rickar/cal/v2/mx"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/pt"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/rs"
	"github.com/rickar/cal/v2/ru"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/th"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"
)

// Holidays are the public holidays of a country, or of a part of one, from one date up to and with another: in order, each date once. Countries
// are named by ISO 3166 ("DE", "DE-BY", "US"); HolidayCountries lists them. A holiday that the law moves to a weekday counts on both dates.
//
// Only the tables of the library are used. They hold the rules as enacted when it was released: a one-off holiday of a later year, and
// countries whose holidays follow the moon or a yearly decree, need a dated list or an iCalendar file.
func Holidays(country string, from, to Date) ([]Date, error) {
	table := holidayTable(strings.ToUpper(country))
	if table == nil {
		return nil, fmt.Errorf("holidays of %q: no table of that country: want one of %s, or dates", cut(country), strings.Join(HolidayCountries(), ", "))
	}
	if from.Year < minYear || to.Year >= maxYear {
		return nil, fmt.Errorf("holidays from %s to %s: the years are not within %d and %d", from, to, minYear, maxYear-1)
	}
	var days []epochDay
	first, last := from.epoch(), to.epoch()
	for year := from.Year - 1; year <= to.Year+1; year++ { // New Year on a Saturday may be kept on the last day of the year before
		for _, h := range table {
			if !isDayOff(h) {
				continue
			}
			is, _ := h.Calc(year)
			if is.IsZero() {
				continue
			}
			for _, d := range observed(h, holidayDate(is)) {
				if first <= d && d <= last {
					days = append(days, d)
				}
			}
		}
	}
	slices.Sort(days)
	var out []Date
	for _, d := range slices.Compact(days) {
		out = append(out, d.date())
	}
	return out, nil
}

// isDayOff leaves out what the tables list as a custom only, such as Midsummer's Eve. Some tables do not say of what kind their holidays are.
func isDayOff(h *cal.Holiday) bool {
	return h.Type != cal.ObservanceOther && h.Type != cal.ObservanceReligious
}

// holidayDate takes the date off a time that the library made out of midnight on the clock of this process. Where the clocks change at midnight
// that may be 23:00 of the day before: two hours later it is the day that was meant, on every day of the year.
func holidayDate(t time.Time) epochDay { return dateOf(t.Add(2 * time.Hour)).epoch() }

// observed is the date, and the one on which it is kept instead where that is another. The library would go by the weekday of its midnight.
func observed(h *cal.Holiday, d epochDay) []epochDay {
	for _, o := range h.Observed {
		if o.Day == d.weekday() && o.Offset != 0 {
			return []epochDay{d, d + epochDay(o.Offset)}
		}
	}
	return []epochDay{d}
}

// HolidayCountries lists the codes that Holidays knows, in order.
func HolidayCountries() []string {
	var out []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			country := string(a) + string(b)
			if holidayTable(country) != nil {
				out = append(out, country)
			}
			for _, part := range holidayParts(country) {
				out = append(out, country+"-"+part)
			}
		}
	}
	return out
}

func holidayTable(code string) []*cal.Holiday {
	country, part, hasPart := strings.Cut(code, "-")
	if !hasPart {
		return countryTable(country)
	}
	switch country {
	case "AU":
		return australianTable(part)
	case "CH":
		return swissTable(part)
	case "DE":
		return germanTable(part)
	}
	return nil
}

func holidayParts(country string) []string {
	switch country {
	case "AU":
		return []string{"ACT", "NSW", "NT", "QLD", "SA", "TAS", "VIC", "WA"}
	case "CH":
		return []string{"AG", "AI", "AR", "BE", "BL", "BS", "FR", "GE", "GL", "GR", "JU", "LU", "NE", "NW", "OW", "SG", "SH", "SO", "SZ", "TG", "TI", "UR", "VD", "VS", "ZG", "ZH"}
	case "DE":
		return []string{"BB", "BE", "BW", "BY", "HB", "HE", "HH", "MV", "NI", "NW", "RP", "SH", "SL", "SN", "ST", "TH"}
	}
	return nil
}

func countryTable(country string) []*cal.Holiday {
	switch country {
	case "AR":
		return ar.Holidays
	case "AT":
		return at.Holidays
	case "BE":
		return be.Holidays
	case "BG":
		return bg.Holidays
	case "BR":
		return br.Holidays
	case "CA":
		return ca.Holidays
	case "CH":
		return ch.Holidays
	case "CY":
		return cy.Holidays
	case "CZ":
		return cz.Holidays
	case "DE":
		return de.Holidays
	case "DK":
		return dk.Holidays
	case "EE":
		return ee.Holidays
	case "ES":
		return es.Holidays
	case "FI":
		return fi.Holidays
	case "FR":
		return fr.Holidays
	case "GB":
		return gb.Holidays
	case "GR":
		return gr.Holidays
	case "HR":
		return hr.Holidays
	case "HU":
		return hu.Holidays
	case "IE":
		return ie.Holidays
	case "IS":
		return is.Holidays
	case "IT":
		return it.Holidays
	case "JP":
		return jp.Holidays
	case "KE":
		return ke.Holidays
	case "LT":
		return lt.Holidays
	case "LU":
		return lu.Holidays
	case "LV":
		return lv.Holidays
	case "MT":
		return mt.Holidays
	case "MW":
		return mw.Holidays
	case "MX":
		return mx.Holidays
	case "NL":
		return nl.Holidays
	case "NO":
		return no.Holidays
	case "NZ":
		return nz.Holidays
	case "PL":
		return pl.Holidays
	case "PT":
		return pt.Holidays
	case "RO":
		return ro.Holidays
	case "RS":
		return rs.Holidays
	case "RU":
		return ru.Holidays
	case "SE":
		return se.Holidays
	case "SI":
		return si.Holidays
	case "SK":
		return sk.Holidays
	case "TH":
		return th.Holidays
	case "UA":
		return ua.Holidays
	case "US":
		return us.Holidays
	case "ZA":
		return za.Holidays
	}
	return nil
}

func australianTable(part string) []*cal.Holiday {
	switch part {
	case "ACT":
		return au.HolidaysACT
	case "NSW":
		return au.HolidaysNSW
	case "NT":
		return au.HolidaysNT
	case "QLD":
		return au.HolidaysQLD
	case "SA":
		return au.HolidaysSA
	case "TAS":
		return au.HolidaysTAS
	case "VIC":
		return au.HolidaysVIC
	case "WA":
		return au.HolidaysWA
	}
	return nil
}

func swissTable(part string) []*cal.Holiday {
	switch part {
	case "AG":
		return ch.HolidaysAG
	case "AI":
		return ch.HolidaysAI
	case "AR":
		return ch.HolidaysAR
	case "BE":
		return ch.HolidaysBE
	case "BL":
		return ch.HolidaysBL
	case "BS":
		return ch.HolidaysBS
	case "FR":
		return ch.HolidaysFR
	case "GE":
		return ch.HolidaysGE
	case "GL":
		return ch.HolidaysGL
	case "GR":
		return ch.HolidaysGR
	case "JU":
		return ch.HolidaysJU
	case "LU":
		return ch.HolidaysLU
	case "NE":
		return ch.HolidaysNE
	case "NW":
		return ch.HolidaysNW
	case "OW":
		return ch.HolidaysOW
	case "SG":
		return ch.HolidaysSG
	case "SH":
		return ch.HolidaysSH
	case "SO":
		return ch.HolidaysSO
	case "SZ":
		return ch.HolidaysSZ
	case "TG":
		return ch.HolidaysTG
	case "TI":
		return ch.HolidaysTI
	case "UR":
		return ch.HolidaysUR
	case "VD":
		return ch.HolidaysVD
	case "VS":
		return ch.HolidaysVS
	case "ZG":
		return ch.HolidaysZG
	case "ZH":
		return ch.HolidaysZH
	}
	return nil
}

func germanTable(part string) []*cal.Holiday {
	switch part {
	case "BB":
		return de.HolidaysBB
	case "BE":
		return de.HolidaysBE
	case "BW":
		return de.HolidaysBW
	case "BY":
		return de.HolidaysBY
	case "HB":
		return de.HolidaysHB
	case "HE":
		return de.HolidaysHE
	case "HH":
		return de.HolidaysHH
	case "MV":
		return de.HolidaysMV
	case "NI":
		return de.HolidaysNI
	case "NW":
		return de.HolidaysNW
	case "RP":
		return de.HolidaysRP
	case "SH":
		return de.HolidaysSH
	case "SL":
		return de.HolidaysSL
	case "SN":
		return de.HolidaysSN
	case "ST":
		return de.HolidaysST
	case "TH":
		return de.HolidaysTH
	}
	return nil
}
